"""What an operator reads when a session over a connection fails, and what a ~/.bashrc may print before it."""

import asyncio
from types import SimpleNamespace

import pytest

from borgpull.errors import Failure
from borgpull.ssh import SSH_FAILED, explain_exit, read_marked

MARK = "f" * 32


def master_that(*, lost=False):
    async def answer():
        return Failure("web", "the connection was lost", hint="") if lost else None

    def failure(said, *, doing):
        return Failure("web", f"could not {doing}: {said}", hint="")

    return SimpleNamespace(party="web", lost=answer, failure=failure)


@pytest.mark.parametrize(
    ("status", "said", "began", "lost", "cause"),
    [
        (-9, "", True, False, "killed here (signal 9)"),
        (-9, "", False, True, "killed here (signal 9)"),
        (SSH_FAILED, "", True, True, "the connection was lost"),
        (SSH_FAILED, "", False, True, "the connection was lost"),
        (SSH_FAILED, "Permission denied", False, False, "could not open a session: Permission denied"),
        (SSH_FAILED, "Session open refused by peer", False, True, "Session open refused by peer"),
        (SSH_FAILED, "", True, False, None),
        (None, "", False, True, None),
        (0, "", False, True, None),
        (1, "", True, True, None),
    ],
)
def test_why_a_session_ended(status, said, began, lost, cause):
    failure = asyncio.run(explain_exit(master_that(lost=lost), status, said, began=began))
    assert failure is None if cause is None else cause in failure.cause


def read(text):
    """Return what stands behind the mark in a text, and what is left to read."""

    async def reading():
        stream = asyncio.StreamReader()
        stream.feed_data(text)
        stream.feed_eof()
        return await read_marked(stream, MARK), await stream.read()

    return asyncio.run(reading())


def test_what_a_bashrc_prints_is_skipped_and_nothing_behind_the_mark_is_taken():
    noise = b"Welcome!\n\xff\n" + b"x" * 200_000
    found = read(noise + f"\n{MARK}x\n{MARK} place /tmp/a b\nrest\n".encode())
    assert found == ("place /tmp/a b", b"rest\n")


@pytest.mark.parametrize("text", [b"", b"Welcome!\n", b"\n" * 100_000])
def test_a_session_that_never_begins_has_no_mark(text):
    assert read(text)[0] is None
