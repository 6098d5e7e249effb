"""What a target says before its borg begins, and the pid that a serve says: taken by the letter, or refused."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely
from hostile_bytes import ESCAPES, damaged, repeated
from hypothesis import example, given
from hypothesis import strategies as st

from borgpull import process
from borgpull.borg.command_lines import Repository
from borgpull.borg.output import Message
from borgpull.config import Connection, Options, Target
from borgpull.errors import Failure
from borgpull.retention import Source
from borgpull.ssh.diagnose import diagnose
from borgpull.ssh.framing import Answer, Part
from borgpull.transport import CreateArchive, Facts, Preflight
from borgpull.transport.serve import ServeResult, read_messages
from borgpull.transport.target_borg import OpenSession, read_folder

MARK = "6d61726b" * 4
PLACE = "/tmp/borgpull.0123456789"
SOURCES = ("/etc", "/srv", ESCAPES, "/" + "x" * 600)
TARGET = Target.model_construct(
    **dict(Options()), source_paths=SOURCES, excludes=(), connection=Connection.model_construct(username="backup")
).model_copy(update={"sudo": True})
COMMAND = CreateArchive(SimpleNamespace(target=TARGET, repository=Repository("/b/r", "ssh://B/b/r")), "snapshot-1")
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
    b"",
    b" ",
    b"\xff" * 600,
    b"1 folder 1 0 ",
    b"2 link - 0 /x\x1b[2J" + b"y" * 500,
    b"99 file 1 1 ",
]
FACTS = st.builds(
    lambda word, value: b"%b %b\n" % (word, value),
    st.sampled_from(
        [b"borg", b"refused", b"socat", b"odd", b"patterns", b"missing", b"clock", b"source", b"", b"\xff"]
    ),
    st.sampled_from(VALUES) | st.just(b"%d" % time.time()),
)
HONEST = f"borg\nsocat\nsource 0 folder 1 0 \nclock {time.time():.0f}\n".encode()
SCRAPS = [b" ", b"\n", b"borg", b"socat", b"clock", b"missing", b"source", b"refused", *VALUES]
PLACES = [
    b"/tmp/borgpull.0123456789 ",
    b"/tmp/../etc/borgpull.0123456789",
    b"/" * 5000 + b"borgpull.0123456789",
    b"/a" * 49 + b"/borgpull.0123456789",
    b"/tmp/borgpull.0123456789\x1b[2J",
    PLACE.encode(),
]
BEGUN = f"Welcome\n{MARK} {PLACE}\n".encode()


def stream_of(data: bytes) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    return stream


def is_a_failure_that_can_be_shown(failure: Failure) -> None:
    assert failure.party == "T x"
    # Five of our own paths may be named.
    assert is_shown_safely(failure.cause, longest=3000)
    assert all(is_shown_safely(line) for line in failure.detail.split("\n"))


def preflight_of(facts: bytes) -> Failure | None:
    """Read an answer as a run and doctor do; return why the target is refused, if it is."""
    preflight = Preflight("T x", COMMAND, Facts(Answer({"facts": Part(data=facts)})))
    assert {source.path for source in preflight.sources} <= set(COMMAND.sources)
    assert all(is_shown_safely(source.leads) for source in preflight.sources)
    assert is_shown_safely(preflight.seen, longest=4096)
    try:
        preflight.require_all()
    except Failure as failure:
        is_a_failure_that_can_be_shown(failure)
        return failure
    return None


def folder_named(output: bytes, errors: bytes = b"", status: int = 255) -> str | Failure:
    """Return the folder that a session names, or why it is refused."""

    async def named() -> str:
        async def wait() -> int:
            return status

        async def lost() -> None:
            return None

        child = SimpleNamespace(stdout=stream_of(output), stderr=stream_of(errors), wait=wait)
        failure = lambda said, doing: diagnose("T x", said, doing=doing)  # noqa: E731
        master = SimpleNamespace(party="T x", failure=failure, lost=lost)
        return await read_folder(master, OpenSession("T x", child), MARK)

    try:
        return asyncio.run(named())
    except Failure as failure:
        is_a_failure_that_can_be_shown(failure)
        return failure


def is_a_folder_or_refused(found: str | Failure) -> None:
    if isinstance(found, str):
        assert len(found) <= 100
        assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")
        assert ".." not in found


def test_what_an_honest_target_says_is_read():
    assert preflight_of(HONEST) is None
    sources = Preflight("T x", COMMAND, Facts(Answer({"facts": Part(data=HONEST)}))).sources
    assert sources == (Source(path="/etc", kind="folder", holds=True, mount=False, leads=""),)
    assert folder_named(BEGUN) == PLACE


@given(st.lists(FACTS, max_size=20).map(b"".join))
@example(b"missing %b\n%b" % ("²".encode(), HONEST))
@example(b"missing %b\n%b" % (b"9" * 5000, HONEST))
def test_facts_of_any_kind_are_taken_or_refused(facts):
    preflight_of(facts)
    preflight_of(facts + HONEST)


@given(damaged(HONEST, SCRAPS))
def test_damaged_facts_are_taken_or_refused(facts):
    preflight_of(facts)


@given(
    st.lists(st.sampled_from([*PLACES, *VALUES, MARK.encode(), b" ", b"\n"])).map(b"".join),
    st.binary(max_size=20) | st.just(ESCAPES.encode()),
    st.sampled_from([0, 91, 255]),
)
def test_folders_of_any_kind_are_taken_or_refused(output, errors, status):
    is_a_folder_or_refused(folder_named(output, errors, status))
    is_a_folder_or_refused(folder_named(b"%b %b\n" % (MARK.encode(), output), errors, status))


@given(damaged(BEGUN, [*PLACES, MARK.encode()]))
def test_damaged_folders_are_taken_or_refused(output):
    is_a_folder_or_refused(folder_named(output))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (HONEST + b"missing 2\n", "hidden from this user: "),
        (HONEST.replace(b"borg\n", b""), "borg is not installed"),
        (HONEST.replace(b"socat\n", b""), "socat is not installed"),
        (HONEST + b"odd /\x1b[2J\n", "the path of its socat is not plain: /"),
        (HONEST + b"clock 0\n", "behind that of this machine"),
        (HONEST + b"clock 999999999999\n", "ahead of that of this machine"),
    ],
    ids=["missing", "borg", "socat", "odd", "behind", "ahead"],
)
def test_what_is_wrong_there_is_said_in_words_that_can_be_shown(facts, said):
    failure = preflight_of(facts)
    assert isinstance(failure, Failure)
    assert said in failure.cause


@fewer(10)
@given(repeated([b"%b x y\n" % MARK.encode(), b"%b missing 1\n" % MARK.encode(), b"x", b"\n", b"No "], MEGABYTE // 4))
def test_a_flood_of_words_is_refused(flood):
    with in_linear_time():
        assert isinstance(folder_named(flood, flood), Failure)
        assert isinstance(preflight_of(flood), Failure)


@pytest.mark.parametrize("flood", [b"\n", b"x\n", b"x" * 70_000 + b"\n", b"x"])
def test_what_t_prints_instead_of_a_record_is_kept_up_to_a_limit(flood, monkeypatch):
    monkeypatch.setattr(process, "MOST_OUTPUT", 5000)

    async def collected() -> bytes:
        child = SimpleNamespace(stdout=stream_of(flood * (100_000 // len(flood) + 1)))
        return await OpenSession("T x", child).read_output()

    kept = asyncio.run(collected())
    assert len(kept) == 5000
    assert (flood * 5000).startswith(kept)


def pid_said(stderr: bytes) -> tuple[ServeResult, list]:
    served, heard = ServeResult(), []

    async def listen() -> None:
        await read_messages(stream_of(stderr), MARK, served, heard.append, lambda: None)

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
