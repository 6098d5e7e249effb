"""What ssh prints, and what a T or B prints in its place: a cause that can be shown, found in linear time."""

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import ESCAPES, damaged, repeated
from hypothesis import example, given
from hypothesis import strategies as st

from borgpull.config import Host, Jump
from borgpull.errors import Failure
from borgpull.process import MOST_OUTPUT
from borgpull.ssh import no_shell
from borgpull.ssh.diagnose import diagnose
from borgpull.untrusted import MOST_LINES, clean, last_lines

# Of each pattern that is looked for, its beginning and its end; and what such a search stumbles over.
WORDS = [
    b"No ",
    b" host key is known for",
    b"Host key for ",
    b" has changed",
    b"Timeout, server ",
    b" not responding",
    b"Permission denied",
    b"UNKNOWN port 65535",
    b"stdio forwarding failed",
    b"KnownHost ",
    b"Host",
    b"kex_exchange_identification",
    b"no matching ",
    b"\n",
    b"\r\n",
    b"\x0b",
    b" ",
    b"\x1b",
    b"\xff",
    "\u202e".encode(),
]
SAID = (
    "Authorized users only.\r\nHost key for [h]:2222 has changed and you have requested strict checking.\r\n"
    f"{ESCAPES}stdio forwarding failed\nConnection closed by UNKNOWN port 65535\r\n"
).encode()


JUMP = Jump.model_construct(host=Host("jump.example.org"), prefix="ProxyJump")


def failures(said: str) -> list[Failure]:
    found = diagnose("T x", said, doing="keep the connection")
    return [found, diagnose("T x", said, doing="keep the connection", jump=JUMP, through=JUMP), no_shell("T x", said)]


def can_be_shown(failure: Failure) -> None:
    assert 0 < len(failure.cause) < 2000
    assert clean(failure.cause, longest=2000) == failure.cause
    assert is_shown_safely(failure.hint)
    lines = failure.detail.split("\n")
    assert len(lines) <= MOST_LINES
    assert all(is_shown_safely(line) for line in lines)


@given(damaged(SAID, WORDS) | st.lists(st.sampled_from(WORDS)).map(b"".join))
def test_whatever_was_said_can_be_shown(said):
    for failure in failures(said.decode("utf-8", "replace")):
        can_be_shown(failure)


@fewer(4)
@given(repeated(WORDS, MOST_OUTPUT).map(lambda said: said.decode("utf-8", "replace")))
@example("No " * (MOST_OUTPUT // 3))
@example("Host key for " * (MOST_OUTPUT // 13))
@example("Timeout, server " * (MOST_OUTPUT // 16))
@example("\n" * MOST_OUTPUT)
def test_a_megabyte_of_it_costs_what_its_length_costs(said):
    with within_memory(16 * MEGABYTE), in_linear_time():
        for failure in failures(said):
            can_be_shown(failure)


@given(st.binary() | st.text(st.characters()) | damaged(SAID, WORDS))
def test_the_last_lines_of_anything_are_a_few_clean_ones(said):
    lines = last_lines(said).split("\n")
    assert len(lines) <= MOST_LINES
    assert all(is_shown_safely(line) for line in lines)


@pytest.mark.parametrize("noise", ["", "Welcome\n" * 100_000, "x" * MEGABYTE + "\n", "\n" * MEGABYTE])
def test_the_last_words_are_among_them_whatever_came_before(noise):
    assert last_lines(noise + "one\n\ntwo\r\n").split("\n")[-2:] == ["one", "two"]
    assert "refused the key" in diagnose("B", noise + "backup@h: Permission denied (publickey).\r").cause
