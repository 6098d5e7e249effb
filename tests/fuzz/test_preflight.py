"""What T's session says before it begins, and the pid that B's serve says: taken by the letter, or refused."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely
from hostile_bytes import ESCAPES, damaged, repeated
from hypothesis import example, given
from hypothesis import strategies as st

from borgpull import process
from borgpull.borg.command import Repository
from borgpull.borg.output import Message
from borgpull.config import Connection, Options, Target
from borgpull.errors import Failure
from borgpull.ssh.diagnose import diagnose
from borgpull.transport import reported
from borgpull.transport.serve import ServeResult, _listen
from borgpull.transport.target_commands import CreateArchive
from borgpull.transport.target_session import TargetSession

MARK = "6d61726b" * 4
PLACE = "/tmp/borgpull.AbCdEfGhI0"
SOURCES = ("/etc", "/srv", ESCAPES, "/" + "x" * 600)
TARGET = Target.model_construct(
    **dict(Options()), source_paths=SOURCES, excludes=(), connection=Connection.model_construct(username="backup")
).model_copy(update={"sudo": True})
BACKUP = CreateArchive(target=TARGET, repository=Repository("/b/r", "ssh://B/b/r"), archive="snapshot-1")
VALUES = [
    b"0",
    b"3",
    b"4",
    b"-1",
    "²".encode(),
    "٣".encode(),
    b"9" * 5000,
    b"borg",
    b"socat",
    b"directory",
    b"",
    b" ",
    b"/tmp/borgpull.AbCdEfGhI0 ",
    b"/tmp/../etc/borgpull.AbCdEfGhI0",
    b"/" * 5000 + b"borgpull.AbCdEfGhI0",
    b"/a" * 49 + b"/borgpull.AbCdEfGhI0",
    b"/tmp/borgpull.AbCdEfGhI0\x1b[2J",
    b"\xff" * 600,
    b"1 folder 1 0 ",
    b"2 link - 0 /x\x1b[2J" + b"y" * 500,
    b"99 file 1 1 ",
    PLACE.encode(),
]
FACTS = st.builds(
    lambda word, value: b"%b %b %b\n" % (MARK.encode(), word, value),
    st.sampled_from([b"lacks", b"refused", b"missing", b"clock", b"source", b"place", b"", b"\xff"]),
    st.sampled_from(VALUES) | st.just(b"%d" % time.time()),
)
HONEST = f"Welcome\n{MARK} source 0 folder 1 0 \n{MARK} clock {time.time():.0f}\n{MARK} place {PLACE}\n".encode()
SCRAPS = [MARK.encode(), b" ", b"\n", b"place", b"clock", b"missing", b"source", b"lacks", b"refused", *VALUES]


def stream_of(data: bytes) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    return stream


def place_named(output: bytes, errors: bytes = b"", status: int = 255) -> str | Failure:
    """Return where T says that its session's directory is, as a run would take it, or why it is refused."""

    async def look() -> str:
        async def wait() -> int:
            return status

        child = SimpleNamespace(stderr=stream_of(errors), wait=wait)
        master = SimpleNamespace(party="T x", failure=lambda said, doing: diagnose("T x", said, doing=doing))
        folder, sources, _ = await reported.look(master, BACKUP, child, process.lines(stream_of(output)), MARK)
        assert {source.path for source in sources} <= set(BACKUP.sources)
        assert all(is_shown_safely(source.leads) for source in sources)
        return folder

    try:
        return asyncio.run(look())
    except Failure as failure:
        assert failure.party == "T x"
        # Five of our own paths may be named.
        assert is_shown_safely(failure.cause, longest=3000)
        assert all(is_shown_safely(line) for line in failure.detail.split("\n"))
        return failure


def is_a_place_or_refused(found: str | Failure) -> None:
    if isinstance(found, str):
        assert len(found) <= 100
        assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")
        assert ".." not in found


def test_the_words_of_an_honest_session_are_read():
    assert place_named(HONEST) == PLACE


@given(
    st.lists(FACTS, max_size=20).map(b"".join),
    st.binary(max_size=20) | st.just(ESCAPES.encode()),
    st.sampled_from([0, 91, 255]),
)
@example(b"%b missing %b\n%b" % (MARK.encode(), "²".encode(), HONEST), b"", 0)
@example(b"%b missing %b\n%b" % (MARK.encode(), b"9" * 5000, HONEST), b"", 0)
def test_facts_of_any_kind_are_taken_or_refused(facts, errors, status):
    is_a_place_or_refused(place_named(facts, errors, status))
    is_a_place_or_refused(place_named(facts + HONEST, errors, status))


@given(damaged(HONEST, SCRAPS))
def test_damaged_words_are_taken_or_refused(output):
    is_a_place_or_refused(place_named(output))


@pytest.mark.parametrize(
    ("word", "value", "told"),
    [
        ("missing", "2", "not to be seen by this user: "),
        ("lacks", "borg", "borg is not installed"),
        ("lacks", "socat", "socat is not installed"),
        ("clock", "0", "behind that of this machine"),
        ("clock", "999999999999", "ahead of that of this machine"),
    ],
)
def test_what_is_wrong_there_is_told_in_words_that_can_be_shown(word, value, told):
    failure = place_named(f"{MARK} {word} {value}\n".encode() + HONEST)
    assert isinstance(failure, Failure)
    assert told in failure.cause


@fewer(10)
@given(repeated([b"%b x y\n" % MARK.encode(), b"%b missing 1\n" % MARK.encode(), b"x", b"\n", b"No "], MEGABYTE // 4))
def test_a_flood_of_words_is_refused(flood):
    with in_linear_time():
        assert isinstance(place_named(flood, flood), Failure)


@pytest.mark.parametrize("word", [b"1", b"x" * 60_000])
def test_no_more_words_are_kept_than_a_session_has(word):
    async def seen() -> list[tuple[str, str]]:
        lines = process.lines(stream_of(b"%b missing %b\n" % (MARK.encode(), word) * 100))
        return [fact async for fact in reported._seen(lines, MARK, most=12)]

    facts = asyncio.run(seen())
    assert len(facts) == 12
    assert max(len(value) for _, value in facts) <= 200


@pytest.mark.parametrize("flood", [b"\n", b"x\n", b"x" * 70_000 + b"\n", b"x"])
def test_what_t_prints_instead_of_a_record_is_kept_up_to_a_limit(flood, monkeypatch):
    monkeypatch.setattr(process, "MOST_OUTPUT", 5000)

    async def collected() -> bytes:
        lines = process.lines(stream_of(flood * (100_000 // len(flood) + 1)))
        return await TargetSession(None, None, None, lines, PLACE, (), "", b"")._collect()

    kept = asyncio.run(collected())
    assert len(kept) == 5000
    assert (flood * 5000).startswith(kept)


def pid_said(stderr: bytes) -> tuple[ServeResult, list]:
    served, heard = ServeResult(), []

    async def listen() -> None:
        await _listen(SimpleNamespace(stderr=stream_of(stderr)), MARK, served, heard.append)

    asyncio.run(listen())
    return served, heard


@given(st.lists(st.sampled_from([*SCRAPS, b"{", b'{"type":"log_message","message":"\\u001b"}', b"123"])).map(b"".join))
@example(b"%b %b\n" % (MARK.encode(), b"9" * 5000))
@example(b"%b %b\n" % (MARK.encode(), "²".encode()))
def test_a_pid_is_a_number_or_none(stderr):
    served, heard = pid_said(stderr)
    assert served.pid is None or 0 <= served.pid < 10**10
    assert all(is_shown_safely(line.text) for line in heard if isinstance(line, Message))


def test_the_pid_is_read_and_the_rest_is_heard():
    served, heard = pid_said(f"{MARK} 1234\nx\x1b[2J\n".encode())
    assert served.pid == 1234
    assert [line.text for line in heard] == [message.text for message in served.said.others] == ["x�[2J"]
