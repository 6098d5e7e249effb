"""The frame in which a script on B answers: a whole answer as it was printed, or Incomplete; never a part of one."""

import asyncio
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import ESCAPES, damaged, repeated
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from borgpull.errors import Failure
from borgpull.ssh import PRELUDE, Answer, Incomplete, read_answer, whole
from borgpull.ssh.framing import _AFTER, _BEFORE, Part
from support.examples import examples

MARK = "6d61726b" * 4
MOST = 4096
LARGE = MEGABYTE // 8
SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}
NOT_ALL = (Incomplete, Failure)


def text(name: str, data: bytes, status: int = 0) -> bytes:
    return b"part %b %d %d\n%b\n" % (name.encode(), status, len(data), data)


def file(name: str, data: bytes) -> bytes:
    return b"file %b %d\n%b\nwhole\n" % (name.encode(), len(data), data)


def end(status: int = 0, mark: str = MARK) -> bytes:
    return b"end %d %b\n" % (status, mark.encode())


LONG = b"\0part ledger 0 3\nabc\nend 0 %b\n\xff" % b"6d61726b"
WHOLE = (
    b"on\n"
    + text("repository", b"folder")
    + b"is ledger nothing\n"
    + text("names", b".\n..\nconfig\n")
    + file("hints.17", LONG)
    + b"on\n"
    + file("nonce", b"")
    + text("errors", ESCAPES.encode(), 3)
    + end(7)
)
SCRAPS = [
    end(),
    end(mark="0" * 32),
    b"end 0\n",
    b"end\n",
    b"on\n",
    b"on x\n",
    b"is x\n",
    b"is nonce file\n",
    b"file x 5\n",
    b"part x 0 3\n",
    b"part x 0\n",
    b"part x 0 -1\n",
    b"part x 0 +3\n",
    b"part x 0 \xc2\xb2\n",
    b"part x 0 999999999999\n",
    b"part x 0 9999999999999\n",
    b"part " + b"x" * 201 + b" 0 0\n\n",
    b"part x " + b"9" * 5000 + b" 0\n\n",
    b"\nwhole\n",
    b"\ntorn\n",
    b"\n",
    b"\x00",
]


def read(data: bytes, *, most: int = MOST, going: list | None = None) -> Answer | None:
    """Read an answer; None where it is not whole, in words that can be shown."""

    async def look() -> Answer:
        stream = asyncio.StreamReader()
        stream.feed_data(data)
        stream.feed_eof()
        return await read_answer(stream, MARK, most=most, going=lambda: going is not None and going.append(1))

    try:
        answer = asyncio.run(look())
    except Incomplete as why:
        assert is_shown_safely(str(why), longest=300)
        return None
    assert sum(len(part.data) for part in answer.parts.values()) <= min(most, len(data))
    # What it claims stands there, each byte once, and behind it the last word.
    assert end(answer.status) in data
    for name, part in answer.parts.items():
        assert re.fullmatch(r"[!-~]{1,200}", name)
        assert 0 <= part.status < 10**200
        assert part.data in data
        assert part.kind in ("text", "file") or not part.data
    assert is_shown_safely(answer.errors)
    assert is_shown_safely(answer.failed, longest=100_000)
    return answer


def test_a_whole_answer_is_read():
    went = []
    answer = read(WHOLE, going=went)
    assert answer.parts == {
        "repository": Part(data=b"folder"),
        "ledger": Part("nothing"),
        "names": Part(data=b".\n..\nconfig\n"),
        "hints.17": Part("file", LONG),
        "nonce": Part("file"),
        "errors": Part(data=ESCAPES.encode(), status=3),
    }
    assert (answer.status, len(went), answer.failed) == (7, 2, "errors, exit 3")
    with pytest.raises(Incomplete, match="it has no config"):
        answer["config"]


def test_an_answer_that_is_cut_off_anywhere_is_not_whole():
    assert [length for length in range(len(WHOLE)) if read(WHOLE[:length])] == []


def test_an_answer_for_somebody_else_is_not_whole():
    assert read(WHOLE.replace(MARK.encode(), b"0" * 32)) is None


def headers() -> list[int]:
    """Return the place of each byte of WHOLE that is part of no content."""
    contents = re.compile(rb"folder|\.\n\.\.\nconfig\n|%b|%b" % (re.escape(LONG), re.escape(ESCAPES.encode())))
    inside = {place for found in contents.finditer(WHOLE) for place in range(*found.span())}
    return [place for place in range(len(WHOLE)) if place not in inside]


@given(st.sampled_from(headers()), st.integers(1, 255))
def test_a_flipped_byte_in_a_header_claims_no_more_than_there_is(place, flip):
    data = bytearray(WHOLE)
    data[place] ^= flip
    honest, answer = read(WHOLE), read(bytes(data))
    if answer:
        # A name, a status or a kind may be another one, but every content is an honest one, and none is a longer one.
        known = {part.data for part in honest.parts.values()}
        assert {part.data for part in answer.parts.values()} <= known
        assert len(answer.parts) <= len(honest.parts)


@pytest.mark.parametrize("by", [-11, -1, 1, 2, 11, 100, 10**9])
def test_a_length_that_is_wrong_makes_no_whole_answer(by):
    for found in re.finditer(rb"(?m)^(part|file) \S+ (?:\d+ )?(?=(\d+)\n)", WHOLE):
        start, until = found.span(2)
        if found.start() == WHOLE.index(b"part ledger"):
            continue  # a content, not a header
        length = int(found[2]) + by
        assert read(WHOLE[:start] + b"%d" % length + WHOLE[until:]) is None


@given(damaged(WHOLE, SCRAPS) | st.lists(st.sampled_from([*SCRAPS, WHOLE])).map(b"".join) | st.binary())
@example(b"part x 0 3\nabc\n" * 1001 + end())
@example(b"".join(b"part %d 0 0\n\n" % number for number in range(1001)) + end())
def test_any_bytes_are_a_whole_answer_or_none(data):
    read(data)
    read(data + end())


def test_there_are_no_more_parts_than_scripts_give_and_no_more_bytes_than_were_asked_for():
    many = b"".join(text(str(number), b"") for number in range(1000))
    assert len(read(many + end()).parts) == 1000
    assert read(many + text("1000", b"") + end()) is None
    assert read(text("x", b"y" * MOST) + text("z", b"") + end())
    assert read(text("x", b"y" * MOST) + text("z", b"y") + end()) is None
    assert read(text("x", b"y" * (MOST // 2)) * 3 + end()) is None, "a part that comes again counts again"


@fewer(5)
@given(
    repeated([*SCRAPS, text("x", b""), text("x", b"abc"), file("x", b""), b"is x link\n", b"part "], LARGE),
    st.sampled_from([b"", b"part x 0 %d\n" % LARGE, b"file x %d\n" % (LARGE // 2)]),
)
@example(b"on\n" * (LARGE // 3), b"")
@example(b"is x link\n" * (LARGE // 10), b"")
@example(b"x" * LARGE, b"")
@example(b"part " + b"x" * LARGE, b"")
def test_a_long_answer_costs_what_its_length_costs(data, begun):
    with within_memory(2 * MEGABYTE), in_linear_time():
        read(begun + data, most=LARGE)


def test_a_part_larger_than_what_was_asked_for_is_not_even_waited_for():
    async def look() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(b"part x 0 %d\n" % (MOST + 1))
        with pytest.raises(Incomplete, match="is too long"):
            await read_answer(stream, MARK, most=MOST)

    asyncio.run(asyncio.wait_for(look(), 10))


@pytest.mark.parametrize(
    ("answer", "how"),
    [(text("x", b"", 3) + end(), "x, exit 3"), (text("x", b"") + end(9), "exit 9")],
)
def test_what_failed_is_a_failure(answer, how):
    with pytest.raises(Failure, match=rf"could not try: it failed \({how}\)"):
        whole("B", read(answer), "try")


# And what the functions of the shell print.


def said(shell: str, script: str, *words: str | bytes, prefix: tuple[str, ...] = (), path: str = "") -> Answer | None:
    """Have a shell of this machine run a script in the frame of `ssh.ask`; None where the answer is not whole."""
    argv = [*prefix, *map(_placed, SHELLS[shell][:1]), *SHELLS[shell][1:], "-c", _BEFORE + script + _AFTER, "sh", MARK]
    done = subprocess.run(
        [*argv, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=300,
        env={"PATH": path or os.environ["PATH"]},
    )
    answer = read(done.stdout, most=32 * MEGABYTE)
    # What is said to have failed is raised by the caller.
    return answer if answer and not answer.failed else None


def _placed(program: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is not installed"
    return found


@pytest.fixture(params=SHELLS)
def shell(request):
    return request.param


def few(most: int) -> settings:
    """Return settings for examples that each start a shell."""
    return settings(
        max_examples=examples(most),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        deadline=None,
    )


CONTENTS = (
    st.binary(max_size=300)
    | st.sampled_from([b"", b"\n", b"\n\n\n", b".", b".\n", b"\0", b"\nwhole\n", WHOLE, bytes(range(256)) * 40])
    | st.text(max_size=50).map(lambda letters: letters.encode("utf-8", "replace"))
)


@few(40)
@given(CONTENTS, CONTENTS.map(lambda data: data.replace(b"\0", b"")), st.sampled_from(["", "0", "5", "100", "99999"]))
def test_what_a_shell_prints_is_read_as_it_was(shell, tmp_path, data, words, most):
    odd = tmp_path / '-it\'s a "file" * é'
    odd.write_bytes(data)
    (tmp_path / "words").write_bytes(words)
    script = 'file one "$1" "$4"; text two "$2"; say three "$3"; part four cat "$2"; on; part five printf "%s" "$3"'
    answer = said(shell, script, str(odd), str(tmp_path / "words"), words, most)
    assert answer["one"] == Part("file", data[: int(most)] if most else data)
    assert answer["two"] == answer["four"] == Part("text", words)
    assert answer["three"] == answer["five"] == Part("text", words)
    assert answer["errors"] == Part()


def test_a_large_file_and_a_large_text_are_read_in_little_time(shell, tmp_path):
    place = tmp_path / "large"
    place.write_bytes(b'{"a": 1.25, "b": "\xc3\xa9"}\n' * 400_000)
    answer = said(shell, 'file one "$1"; text two "$1"', str(place))
    assert answer["one"].data == answer["two"].data == place.read_bytes()


LOOKS = ["text it", "file it"]


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_no_file_is_told_apart(shell, tmp_path, look):
    (tmp_path / "file").write_text("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "folder": "folder",
        "link": "link",
        "dangling": "link",
        "loop": "link",
        "pipe": "other",
        "nothing": "nothing",
        "-nothing": "nothing",
        "file/below": "nothing",
        "folder/nothing": "nothing",
        "a newline\nNo such file or directory": "nothing",
    }
    for name, kind in expected.items():
        answer = said(shell, f'{look} "$1"', str(tmp_path / name))
        assert answer["it"] == Part(kind), name
        assert (f"it is {kind}", answer.errors) == (f"it is {answer['it'].kind}", "")
    assert said(shell, f'cd "$1" && {look} -nothing', str(tmp_path))["it"] == Part("nothing")


def never_nothing(answer: Answer | None) -> None:
    """See that an answer which could not be given is none, and above all none that says that there is nothing."""
    assert answer is None, answer


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.mark.parametrize("look", LOOKS)
def test_what_may_not_be_read_is_not_taken_for_nothing(shell, memory, look):
    memory.chmod(0o755)
    closed = memory / "closed"
    closed.mkdir()
    (closed / "file").write_text("x")
    closed.chmod(0o700)
    (memory / "file").write_text("x")
    (memory / "file").chmod(0o600)
    for name in ("closed/file", "closed/nothing", "file", "x" * 300, "y/" * 3000):
        never_nothing(said(shell, f'{look} "$1"', str(memory / name), prefix=NOBODY))


def folder_of_programs(folder: Path, **scripts: str) -> str:
    """Return a PATH of the usual programs, but for those that are given; an empty one is missing."""
    folder.mkdir()
    for name in ("ls", "cat", "wc", "head", "find", "sleep", "env", "sh"):
        if name not in scripts:
            (folder / name).symlink_to(_placed(name))
        elif scripts[name]:
            (folder / name).write_text(f"#!/bin/sh\n{scripts[name]}\n")
            (folder / name).chmod(0o755)
    return str(folder)


BROKEN = {
    "missing": "",
    "killed": "kill -9 $$",
    "failed": "exit 1",
    "failed-in-words": "echo 'Input/output error' >&2; exit 2",
    "half-and-failed": "echo ha; exit 1",
    "half-and-killed": "echo ha; kill -9 $$",
}


@pytest.mark.parametrize("how", BROKEN)
def test_programs_that_fail_give_no_answer(shell, tmp_path, how):
    if shell == "busybox" and how == "missing":
        pytest.skip("it has them all built in")
    (tmp_path / "file").write_text("x" * 100)
    for number, (program, script) in enumerate(
        [
            ("ls", 'kind "$1/nothing" && say kind "$kind"'),
            ("ls", 'text it "$1/nothing"'),
            ("ls", 'file it "$1/nothing"'),
            ("cat", 'text it "$1/file"'),
            ("wc", 'file it "$1/file"'),
            ("head", 'file it "$1/file"'),
            ("find", 'part it find "$1" -type f'),
            ("find", 'part it find "$1" -type f; say more; :'),
        ]
    ):
        path = folder_of_programs(tmp_path / f"bin{number}", **{program: BROKEN[how]})
        # A busybox prefers its own programs to those of PATH, but not to a function.
        first = f'{program}() {{ "{path}/{program}" "$@"; }}\n' if shell == "busybox" else ""
        never_nothing(said(shell, first + script, str(tmp_path), path=path))


@pytest.mark.parametrize("how", ["echo short", "exit 0", "cat; echo more"])
def test_a_program_that_prints_another_length_gives_no_answer(shell, tmp_path, how):
    (tmp_path / "file").write_text("x" * 100)
    path = folder_of_programs(tmp_path / "bin", head=how)
    script = f'head() {{ "{path}/head"; }}\nfile it "$1/file"\nsay more'
    never_nothing(said(shell, script, str(tmp_path), path=path))


@pytest.mark.parametrize("size", ["nothing", "", "-5", "8 x", "       8"])
def test_a_size_that_is_none_gives_no_answer(shell, tmp_path, size):
    (tmp_path / "file").write_text("x" * 8)
    path = folder_of_programs(tmp_path / "bin")
    answer = said(shell, f'wc() {{ echo "{size}"; }}\nfile it "$1/file"', str(tmp_path), path=path)
    assert answer["it"].data == b"x" * 8 if "8" in size and "x" not in size else answer is None


REFUSED_FORKS = [
    'text it "$1/file"',
    'text it "$1/nothing"',
    'file it "$1/file"',
    'file it "$1/nothing"',
    'kind "$1/nothing" || exit 1; say kind "$kind"',
    'part it ls "$1"',
    'part it ls "$1" || :; say more; :',
    'part one ls "$1"; part two cat "$1/file"; say more',
]


# A bash asks for each fork again for 15 s.
@pytest.mark.parametrize("shell", ["dash", pytest.param("bash", marks=pytest.mark.slow), "busybox"])
def test_where_forks_are_refused_there_is_no_answer(shell, memory):
    memory.chmod(0o755)
    (memory / "file").write_text("x")
    (memory / "file").chmod(0o644)

    def refused(number: int, script: str, beside: int) -> Answer | None:
        # A user of its own, for whom nothing else runs: `beside` processes may run beside the first one.
        user = f"--reuid={100_000 + 1000 * (os.getpid() % 1000) + number}"
        limit = ("setpriv", user, "--regid=65534", "--clear-groups", "prlimit", f"--nproc={1 + beside}", "--")
        return said(shell, script, str(memory), prefix=limit)

    tries = [(script, beside) for script in REFUSED_FORKS for beside in range(5)]
    with ThreadPoolExecutor(len(tries)) as pool:
        answers = list(pool.map(lambda number: refused(number, *tries[number]), range(len(tries))))
    expected = {script: said(shell, script, str(memory)) for script in REFUSED_FORKS}
    wrong = [
        (script, beside, answer.parts)
        for (script, beside), answer in zip(tries, answers, strict=True)
        if answer is not None and answer.parts != expected[script].parts
    ]
    assert wrong == []
    assert None in answers
    assert [script for script in REFUSED_FORKS if expected[script] is None] == []


@pytest.mark.parametrize("script", ["say one; kill -9 $$", "say one; exec sh -c 'kill -9 $$'", "say one; exit 1"])
def test_a_shell_that_is_killed_gives_no_answer(shell, script):
    # The first is the shell around the script, which has the last word; the second is the script's own.
    never_nothing(said(shell, script))


def test_what_a_script_says_on_standard_error_is_a_part_and_not_in_the_frame(shell):
    answer = said(shell, 'echo "part x 0 3" >&2; say one "end 0 $1"; printf "abc\\n" >&2', MARK)
    assert (answer["one"].data, answer["errors"].data) == (f"end 0 {MARK}".encode(), b"part x 0 3\nabc")


def test_the_last_word_has_the_status_of_the_script(shell):
    for script, status in (("exit 5", 5), ("return 5", 5), ("false", 1), ("set -e; false; say one", 1)):
        argv = [*SHELLS[shell], "-c", _BEFORE + script + _AFTER, "sh", MARK]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=30)
        assert read(done.stdout).status == status, script


def test_the_functions_are_those_that_every_script_begins_with():
    assert PRELUDE in _BEFORE
