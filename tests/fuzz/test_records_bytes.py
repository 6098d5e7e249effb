"""The tar of B's records, and the config in it that T can write: any bytes are records, or they are Unreadable."""

import contextlib
import io
import tarfile
from collections.abc import Collection

import pytest
from borgpull.guard.tar import members
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import damaged, repeated
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import CONFIG, FILES, HINTS, ID, LIVE, NONCE, TAR, TRANSACTION, tar_of

from borgpull.borg.hints import read_hints
from borgpull.guard import Records, Unreadable, read_records

BLOCK = 512
MAGIC = {"ustar": b"ustar\x0000", "gnu": b"ustar  \x00", "none": bytes(8)}


def read(tar: bytes, segments: Collection[int] | None = None) -> Records | None:
    """Read records; None where they are refused, in words that hold nothing of theirs."""
    try:
        found = read_records(tar, read_hints=read_hints, segments=segments)
    except Unreadable as why:
        assert is_shown_safely(str(why), longest=100)
        return None
    assert len(found.repository_id) == 64
    assert found.nonce is None or 0 <= found.nonce < 1 << 64
    return found


def member(name: bytes, kind: bytes, data: bytes, *, size: bytes = b"", magic: bytes = MAGIC["gnu"]) -> bytes:
    """Return a member with whatever is asked for in its header, and a right checksum."""
    size = size or b"%011o\0" % len(data)
    head = name[:100].ljust(100, b"\0") + bytes(24) + size[:12].ljust(12, b"\0") + bytes(12) + b" " * 8
    head = (head + kind[:1] + bytes(100) + magic).ljust(BLOCK, b"\0")
    return head[:148] + b"%06o\0 " % sum(head) + head[156:] + data + bytes(-len(data) % BLOCK)


def whole(config: bytes = CONFIG) -> bytes:
    return member(b"config", b"0", config) + member(b"nonce", b"0", NONCE) + HINTS_MEMBER


HINTS_MEMBER = member(b"hints.%d" % TRANSACTION, b"0", HINTS)
HONEST = read(TAR)


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "ustar", "v7", "posix"])
def test_every_form_of_a_tar_is_read_alike(form):
    found = read(tar_of(FILES, f"--format={form}"), set(LIVE))
    assert found is not None
    assert found == HONEST == read(whole())
    assert (found.repository_id, dict(found.live), found.transaction) == (ID, LIVE, TRANSACTION)
    assert found.key.startswith("hqlhb")
    assert found.nonce == int(NONCE, 16)


@given(
    st.lists(
        st.tuples(st.sampled_from(["config", "hints.7", "./nonce", "x" * 99]), st.binary(max_size=1500)), max_size=5
    ),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_members_are_those_that_were_put_in(files, form):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:", format=form) as tar:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), 0.5
            tar.addfile(entry, io.BytesIO(data))
    data = held.getvalue()
    assert [(m.name, m.plain, data[m.start : m.start + m.size]) for m in members(data)] == [
        (name, True, content) for name, content in files
    ]


@given(damaged(TAR, [bytes(BLOCK), b"ustar", b"-0000007", b"77777777777", b"\x80" + b"\xff" * 11, TAR[:BLOCK]]))
def test_a_damaged_tar_is_the_same_records_or_refused(data):
    found = read(data)
    assert found is None or found.transaction == TRANSACTION


NAMES = [b"config", b"hints.17", b"hints.99", b"hints.17.tmp", b"nonce", b"././@LongLink", b"", b"\xff", b"hints.1\n"]
SIZES = [b"", b"-0000000512", b"77777777777", b"+1", b"0_1", b" 12 ", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"0" * 12]
PAX = [b"11 size=-9\n", b"12 path=nonce\n"[:12], b"0 =\n", b"9" * 600, b"20 GNU.sparse.map=0,1\n", b"19 hdrcharset=x\n"]
MEMBERS = st.builds(
    member,
    st.sampled_from(NAMES),
    st.sampled_from([b"0", b"\0", b"1", b"2", b"5", b"7", b"L", b"K", b"S", b"x", b"g", b"X", b"\xff"]),
    st.sampled_from([b"", CONFIG, HINTS, b"hints.17\0", b"9" * 700, *PAX])
    | st.lists(st.sampled_from(PAX)).map(b"".join),
    size=st.sampled_from(SIZES),
    magic=st.sampled_from(sorted(MAGIC.values())),
)


@given(st.lists(MEMBERS | st.just(HINTS_MEMBER) | st.just(TAR[: 3 * BLOCK]), max_size=20))
def test_members_of_any_kind_are_records_or_refused(found):
    read(b"".join(found))
    read(member(b"config", b"0", CONFIG) + b"".join(found) + HINTS_MEMBER)


@given(st.lists(MEMBERS, max_size=3))
def test_what_an_extended_header_says_changes_nothing(found):
    extended = [entry for entry in found if entry[156:157] in (b"x", b"g")]
    with contextlib.suppress(ValueError):
        assert [m.name for m in members(b"".join(extended))] == []
        assert read(b"".join(extended) + whole()) == HONEST


@fewer(5)
@given(
    repeated([*PAX, b"1", b"=", b"\0" * BLOCK, TAR[:BLOCK]], 4 * MEGABYTE), st.sampled_from([b"x", b"g", b"L", b"S"])
)
@example(b"1" * 4 * MEGABYTE, b"x")
def test_a_header_that_goes_on_and_on_costs_what_its_length_costs(data, kind):
    with within_memory(16 * MEGABYTE), in_linear_time():
        read(member(b"config", kind, data) + whole())
        read(member(b"config", kind, b"") + data)


def test_headers_without_end_are_read_through_or_refused():
    for header in (
        member(b"x", b"x", b""),
        member(b"././@LongLink", b"L", b"config\0"),
        member(b"hints.tmp", b"0", b""),
    ):
        with in_linear_time():
            read(header * (16 * MEGABYTE // len(header)))


LINES = [
    b" ",
    b"\t",
    b"a",
    b"=",
    b":",
    b"[",
    b"]",
    b"\n",
    b"\r",
    b"\x0b",
    b"\x85",
    "\u2028".encode(),
    b"#",
    b"key",
    b"[repository]\n",
    b"[DEFAULT]\n",
    b"id=1\n",
    b"%(id)s",
    "\u0130=1\n".encode(),
]


@given(damaged(CONFIG, LINES))
def test_a_damaged_config_is_settings_or_refused(config):
    found = read(whole(config))
    assert found is None or found.live == LIVE


@fewer(2)
@given(repeated(LINES, 16 * 1024) | repeated(LINES, 1000), st.booleans())
def test_a_config_that_takes_ever_longer_to_read_is_refused(data, begun):
    with within_memory(16 * MEGABYTE), in_linear_time():
        read(whole((CONFIG if begun else b"") + data))
        read(whole(CONFIG.replace(b"= hqlhb", b"= " + data[:15_000])))


@pytest.mark.parametrize(
    "line", [b"a" + b" " * 900 + b"b\n", b" ", b"x\n", b"\r", b"[%d]\n", b"a%d=\n", b"[" * 900 + b"\n", b"=\n"]
)
@pytest.mark.parametrize("size", [15_000, MEGABYTE - 20])
def test_a_config_made_to_stop_the_reader_does_not(line, size):
    # T can write into it what it likes: borg serve takes any key that it is given.
    lines = b"".join(line % n if b"%" in line else line for n in range(size // len(line)))
    tar = whole(b"[repository]\na" + lines[: size - 20] + b"b")
    with within_memory(16 * MEGABYTE), in_linear_time():
        assert read(tar) is None


@given(st.sets(st.integers(0, 1 << 60)) | st.sets(st.integers(0, 30)))
def test_segments_are_missing_or_beyond_or_neither(segments):
    found = read(TAR, segments)
    assert found.missing == tuple(number for number, objects in LIVE.items() if objects and number not in segments)
    assert found.beyond == len([number for number in segments if number > TRANSACTION])
