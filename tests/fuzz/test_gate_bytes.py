"""T's borg may say anything: what B is told is honest however the bytes are damaged, and reading them costs little."""

import struct

import msgpack
import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import damaged, repeated
from hypothesis import given
from hypothesis import strategies as st

from borgpull.gate.messages import MOST_DATA, Reader, Refused
from borgpull.gate.session import Session
from gate.calls import MANIFEST, NEW, OLD, OPEN, PATH, VERSION, call, negotiate

CALLS = [
    call("get", id=OLD),
    call("put", id=NEW, data=b"x" * 40),
    call("put", id=OLD, data=b"x" * 40),
    call("put", id=MANIFEST, data=b"y"),
    call("delete", id=NEW),
    call("delete", id=OLD),
    call("list", limit=10, marker=OLD),
    call("commit", save_space=False, compact=True),
    call("commit_nonce_reservation", next_unreserved=1 << 30, start_nonce=1 << 29),
    call("save_key", keydata=b"k"),
    call("check", repair=True),
    call("open", **OPEN),
    negotiate(VERSION),
]
HONEST = b"".join(CALLS[number] for number in (0, 1, 3, 4, 6, 7, 8))
SCRAPS = [
    b"\x81\xa1i\x01",
    b"\xa2id\xda\x00\x20" + OLD,
    b"\xa6delete",
    b"\xa8save_key",
    b"\xa1m\xa6delete",
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdb\x00\x00\x00\x05",
    b"\xc4\x20" + OLD,
    b"\xc7\x20\x01" + OLD,
    b"\x91" * 2000,
    b"\xc1",
]
# What B may be told at all, and of which objects.
READING = {b"__len__", b"load_key", b"get_free_nonce", b"get", b"list", b"scan"}
WRITING = {b"put", b"delete", b"commit", b"rollback", b"commit_nonce_reservation"}


def is_honest(said: object) -> bool:
    """Tell whether `borg serve` can be told this without harm, judged by what it would read itself."""
    asked = said[b"a"]
    match said[b"m"]:
        case b"put":
            return asked.keys() == {b"id", b"data"} and asked[b"id"] != OLD and len(asked[b"id"]) == 32
        case b"delete":
            return asked.keys() == {b"id"} and asked[b"id"] not in (OLD, MANIFEST)
        case b"commit":
            return asked == {b"save_space": False, b"compact": False}
        case b"commit_nonce_reservation":
            return asked[b"next_unreserved"] >= (asked[b"start_nonce"] or 0)
        case method:
            return method in READING | WRITING


def begun() -> Session:
    session = Session(PATH)
    for message in Reader().read(negotiate() + call("open", **OPEN)):
        session.check(message)
    session.begin({OLD})
    return session


def told(session: Session, data: bytes) -> list[bytes]:
    """Return what B is told of `data`, up to what is refused, in words that hold nothing harmful."""
    found = []
    try:
        for message in Reader().read(data):
            found.append(session.check(message))
    except Refused as refused:
        assert type(refused) is Refused
        assert is_shown_safely(str(refused), longest=200)
    return found


@given(st.lists(st.sampled_from(CALLS), max_size=6).map(b"".join))
def test_b_is_never_told_anything_dishonest_in_any_order(data):
    assert [said for said in told(begun(), data) if not is_honest(msgpack.unpackb(said, raw=True))] == []


@given(damaged(HONEST, SCRAPS))
def test_nor_is_it_when_the_bytes_are_damaged(data):
    assert [said for said in told(begun(), data) if not is_honest(msgpack.unpackb(said, raw=True))] == []


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1 << 64)
    | st.floats()
    | st.sampled_from([OLD, NEW, MANIFEST, b"", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([b"id", "x"]), inner, max_size=2),
    max_leaves=5,
)
NAMES = st.sampled_from(["id", "data", "path", "limit", "marker", "next_unreserved", "start_nonce", "compact", "x"])
METHODS = st.sampled_from(sorted((READING | WRITING) - {b"rollback"})) | st.binary(max_size=60)


@given(METHODS, st.dictionaries(NAMES, VALUES, max_size=3), VALUES)
def test_nor_is_it_whatever_the_arguments_are(method, arguments, number):
    try:
        data = msgpack.packb({b"i": number, b"m": method, b"a": arguments}, use_bin_type=False)
    except (OverflowError, ValueError):
        return
    assert [said for said in told(begun(), data) if not is_honest(msgpack.unpackb(said, raw=True))] == []


@given(st.lists(st.sampled_from([negotiate(), *CALLS]), max_size=4).map(b"".join) | damaged(negotiate() + HONEST))
def test_nothing_but_negotiate_and_one_open_comes_before_the_repository_is_open(data):
    methods = [
        said[b"m"] if isinstance(said, dict) else said[2]
        for said in (msgpack.unpackb(said, raw=True) for said in told(Session(PATH), data))
    ]
    assert methods in ([], [b"negotiate"], [b"negotiate", b"open"])


PUT = b"\x83\xa1i\x01\xa1m\xa3put\xa1a"
BOMBS = {
    "an object with no end": PUT + b"\x82\xa2id\xda\x00\x20" + NEW + b"\xa4data\xdb\x7f\xff\xff\xff",
    "an object too large": PUT + b"\x82\xa2id\xda\x00\x20" + NEW + b"\xa4data\xdb" + struct.pack(">I", MOST_DATA + 1),
    "lists of nothing": PUT + b"\x9f" * 4 + b"\x90",
    "lists in lists": PUT + b"\x91",
    "maps of nothing": PUT + b"\x81\xa1x\x9f" + b"\x80" * 4,
    "a list of everything": b"\xdd\xff\xff\xff\xff",
    "a number": b"\x01",
    "long words": (PUT + b"\x81\xa1x\xda\xff\xff" + b"x" * 65535)[:60_000],
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_fills_no_memory(name):
    reader, session = Reader(), begun()
    chunk = memoryview((BOMBS[name] + b"\x90" * 256 * 1024)[: 256 * 1024])
    # The largest object of borg, and once more while the buffer grows.
    with within_memory(44 * MEGABYTE), in_linear_time():
        try:
            for _ in range(400):
                for message in reader.read(chunk):
                    session.check(message)
        except Refused:
            return
        raise AssertionError("100 MiB of it were taken")


@fewer(10)
@given(repeated([*SCRAPS, b"\x80", b"\x90", PUT, CALLS[1]], 3 * MEGABYTE))
def test_what_is_repeated_for_ever_fills_no_memory(data):
    session = begun()
    with within_memory(8 * MEGABYTE), in_linear_time():
        try:
            for message in Reader().read(data[:MEGABYTE]):
                session.check(message)
        except Refused:
            pass
