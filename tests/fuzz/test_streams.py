"""The pipes that T and B write to: what is kept of them is the same however it comes in, and bounded."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from bounds import MEGABYTE, fewer, is_shown_safely, within_memory
from hostile_bytes import ESCAPES
from hypothesis import given
from hypothesis import strategies as st

from borgpull import process
from borgpull.process import LONGEST_LINE, Tail
from borgpull.ssh import connect


def fed(chunks: Iterable[bytes], read: Callable[[asyncio.StreamReader], Awaitable[Any]]) -> Any:
    """Feed a stream with chunks, no faster than it is read, while `read` reads it; return what that returns."""

    async def run() -> Any:
        stream = asyncio.StreamReader()

        async def feed() -> None:
            for chunk in chunks:
                stream.feed_data(chunk)
                while stream._buffer:
                    await asyncio.sleep(0)
            stream.feed_eof()

        feeding = asyncio.create_task(feed())
        found = await read(stream)
        await feeding
        return found

    return asyncio.run(run())


async def all_lines(stream: asyncio.StreamReader) -> list[bytes]:
    return [line async for line in process.lines(stream)]


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=12), st.integers(0, 40))
def test_output_is_the_same_however_it_comes_in_and_never_too_long(chunks, most):
    whole = b"".join(chunks)
    assert fed(chunks, lambda stream: process.read_all(stream, most=most)) == (whole[:most], len(whole) > most)


NEAR = st.integers(-2, 2).map(lambda off: LONGEST_LINE + off) | st.integers(-2, 2).map(lambda off: 4096 + off)


@fewer(4)
@given(st.lists(st.tuples(st.sampled_from([b"x", b"y\n", b"\n"]), NEAR | st.integers(1, 5)), max_size=6))
def test_lines_of_about_the_longest_length_are_cut_and_no_other_is_touched(runs):
    chunks = [letter * times if letter == b"x" else letter * (times % 7 + 1) for letter, times in runs]
    expected = b"".join(chunks).split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert fed(chunks, all_lines) == [line[:LONGEST_LINE] for line in expected]


@pytest.mark.parametrize("read", [all_lines, lambda stream: process.read_all(stream, most=LONGEST_LINE)])
def test_what_never_ends_fills_no_memory(read):
    chunk = b"x" * LONGEST_LINE
    with within_memory(MEGABYTE):
        assert len(fed((chunk for _ in range(500)), read)[0]) == LONGEST_LINE


def test_a_flood_of_short_lines_lets_others_have_their_turn():
    async def read(stream: asyncio.StreamReader) -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        await all_lines(stream)
        beside.cancel()
        return turns

    assert fed([b"\n" * LONGEST_LINE] * 2, read) >= 2 * LONGEST_LINE // 4096


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", ESCAPES.encode(), b"x" * 700]), max_size=60))
def test_what_ssh_says_is_heard_clean_and_its_last_lines_remembered(chunks):
    said, on_output = Tail(), []
    fed(
        [chunk for chunk in chunks if chunk],
        lambda stream: connect._listen(SimpleNamespace(stderr=stream), said, on_output.append),
    )
    assert all(is_shown_safely(line) for line in on_output)
    assert said.text.split("\n") == (on_output[-40:] or [""])
