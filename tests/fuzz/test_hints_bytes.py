"""Hints are made by T's session: any bytes are hints or a ValueError, and cost no more than their beginning is long."""

import struct
from dataclasses import replace

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import damaged, repeated
from hypothesis import given
from hypothesis import strategies as st
from recorded import FREEABLE, HINTS, LIVE, USED

from borgpull.guard.hints import HEAD, MOST_SEGMENTS, Hints, is_integrity, read_hints

BEGUN = b"\x85\xa7version\x02\xa8segments"
SCRAPS = [
    b"\xdf\xff\xff\xff\xff",  # a map of 4294967295
    b"\xdd\xff\xff\xff\xff",  # an array of as many
    b"\xdb\xff\xff\xff\xff",  # a string, bytes, an extension of as many
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\xde\x00\x01",
    b"\x81",
    b"\x91" * 2000,
    b"\x81\x00" * 2000,
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + b"\x00" * 7,
    b"\xcb\x7f\xf8" + b"\x00" * 6,  # not a number
    b"\xc0",
    b"\xc1",  # never used
    b"\xc3",
    b"\xd6\xff\x00\x00\x00\x00",  # a time
    b"\xa7compact",
    b"\xa8segments",
]


def read(data: bytes) -> Hints | None:
    """Read hints; None where they are refused, in words that hold nothing of theirs."""
    try:
        found = read_hints(data)
    except ValueError as error:
        assert type(error) is ValueError
        assert is_shown_safely(str(error), longest=100)
        return None
    for numbers in (found.live, found.compactable):
        assert len(numbers) <= MOST_SEGMENTS
        assert all(type(number) is int and 0 <= number < 1 << 40 for pair in numbers.items() for number in pair)
    return found


def test_real_hints_are_read():
    found = read_hints(HINTS)
    assert (dict(found.live), found.freeable, found.used) == (LIVE, FREEABLE, USED)


def test_hints_cut_off_anywhere_are_the_same_or_refused():
    found = [read(HINTS[:length]) for length in range(len(HINTS))]
    assert found[0] is None
    assert [hints for hints in found if hints and replace(hints, used=USED) != read_hints(HINTS)] == []


@given(damaged(HINTS, SCRAPS) | damaged(BEGUN + b"\x82\x00\x01\x02\x03\xa7compact\x81\x00\x09", SCRAPS))
def test_damaged_hints_are_hints_or_refused(data):
    read(data)


def entries(count: int, value: bytes) -> bytes:
    return struct.pack(">BI", 0xDF, count) + b"".join(b"\xce%b%b" % (struct.pack(">I", n), value) for n in range(count))


# Megabytes each: made where one is read.
BOMBS = {
    "as many segments as are taken": lambda: BEGUN + entries(MOST_SEGMENTS, b"\x00"),
    "more segments than are taken": lambda: BEGUN + entries(HEAD // 6, b"\x00"),
    "segments inside of a segment": lambda: BEGUN + b"\x81\x00" + entries(MOST_SEGMENTS, b"\x80"),
    "lists of nothing": lambda: BEGUN + b"\x81\x00" + b"\x90" * HEAD,
    "ever deeper": lambda: BEGUN + b"\x81" * HEAD,
    "ever deeper lists": lambda: BEGUN + b"\x91" * HEAD,
    "one string": lambda: BEGUN + b"\xdb" + struct.pack(">I", HEAD) + b"x" * HEAD,
    "one blob": lambda: BEGUN + b"\xc6" + struct.pack(">I", HEAD) + b"x" * HEAD,
    "a length and nothing else": lambda: BEGUN + b"\xdf\xff\xff\xff\xff",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_fills_no_memory(name):
    data = BOMBS[name]()
    with within_memory(96 * MEGABYTE), in_linear_time():
        read(data)


@fewer(10)
@given(repeated([*SCRAPS[:6], b"\x80", b"\x90", b"\x00", b"\x81\x00"], HEAD), st.booleans())
def test_what_is_repeated_to_the_end_fills_no_memory(data, begun):
    with within_memory(96 * MEGABYTE), in_linear_time():
        read(BEGUN + data if begun else data)


@given(st.one_of(st.binary(max_size=300), repeated([*SCRAPS, b"\x81\xa7version\x02"], 100_000)))
def test_any_bytes_are_an_integrity_file_or_none(data):
    assert is_integrity(data) in (True, False)
