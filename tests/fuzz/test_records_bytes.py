"""B's records, and the config among them that T can write: any bytes are records, or they are Unreadable."""

from collections.abc import Collection, Mapping

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import damaged, repeated
from hypothesis import given
from hypothesis import strategies as st
from recorded import CONFIG, FILES, HINTS, ID, LIVE, NONCE, TRANSACTION

from borgpull.guard import File, Records, Unreadable, read_records


def read(files: Mapping[str, File], segments: Collection[int] | None = None) -> Records | None:
    """Read records; None where they are refused, in words that hold nothing of theirs."""
    try:
        found = read_records(files, segments=segments)
    except Unreadable as why:
        assert is_shown_safely(str(why), longest=100)
        return None
    assert len(found.repository_id) == 64
    assert found.nonce is None or 0 <= found.nonce < 1 << 64
    return found


def whole(config: bytes = CONFIG) -> dict[str, File]:
    return FILES | {"config": File(plain=True, data=config)}


HONEST = read(FILES)


def test_what_borg_wrote_is_read():
    found = read(FILES, set(LIVE))
    assert found == HONEST
    assert (found.repository_id, dict(found.live), found.transaction) == (ID, LIVE, TRANSACTION)
    assert found.key.startswith("hqlhb")
    assert found.nonce == int(NONCE, 16)


NAMES = st.sampled_from(["config", "nonce", "hints.0", "hints.17", "hints.99", "hints.9999999999"])
ANY_FILE = st.builds(
    File,
    plain=st.booleans(),
    data=st.sampled_from([b"", CONFIG, NONCE, HINTS, b"9" * 700, bytes(5000)])
    | st.binary(max_size=100)
    | damaged(NONCE)
    | damaged(HINTS),
)


@given(st.dictionaries(NAMES, ANY_FILE))
def test_files_of_any_kind_are_records_or_refused(found):
    read(found)
    read(FILES | found)


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
    files = whole(b"[repository]\na" + lines[: size - 20] + b"b")
    with within_memory(16 * MEGABYTE), in_linear_time():
        assert read(files) is None


@given(st.sets(st.integers(0, 1 << 60)) | st.sets(st.integers(0, 30)))
def test_segments_are_missing_or_beyond_or_neither(segments):
    found = read(FILES, segments)
    assert found.missing == tuple(number for number, objects in LIVE.items() if objects and number not in segments)
    assert found.beyond == len([number for number in segments if number > TRANSACTION])
