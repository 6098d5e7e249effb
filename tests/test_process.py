"""Processes: they end with their context, whatever they do; their output is bounded; their command lines are exact."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull import process
from support.examples import examples

ARGUMENT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
STUBBORN = "trap '' TERM INT HUP; echo ready; while :; do sleep 0.1; done"


def gone(pid: int, *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def read_in(chunks: list[bytes], *, longest: int) -> list[bytes]:
    async def read() -> list[bytes]:
        stream = asyncio.StreamReader()

        async def feed() -> None:
            for chunk in chunks:
                stream.feed_data(chunk)
                await asyncio.sleep(0)
            stream.feed_eof()

        feeding = asyncio.create_task(feed())
        found = [line async for line in process.lines(stream, longest=longest)]
        await feeding
        return found

    return asyncio.run(read())


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=12), st.integers(1, 12))
def test_lines_are_the_same_however_they_come_in_and_never_too_long(chunks, longest):
    whole = b"".join(chunks)
    expected = whole.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert read_in(chunks, longest=longest) == [line[:longest] for line in expected]


def test_a_line_without_an_end_does_not_fill_the_memory():
    script = "import sys\nfor _ in range(2000): sys.stdout.buffer.write(b'x' * 100000)\nprint(); print('after')"

    async def run() -> list[bytes]:
        async with process.started([sys.executable, "-c", script]) as child:
            return [line async for line in process.lines(child.stdout)]

    long, after = asyncio.run(run())
    assert (len(long), after) == (process.LONGEST_LINE, b"after")


def test_output_is_drained_to_its_end_and_kept_up_to_a_limit():
    script = "import sys; sys.stdout.write('x' * 5000000); sys.stderr.write('y' * 5000000); sys.exit(7)"
    done = asyncio.run(process.run([sys.executable, "-c", script], seconds=30, most=100))
    assert (done.returncode, done.stdout, done.truncated) == (7, b"x" * 100, True)
    assert len(done.stderr) == process.MOST_OUTPUT


def test_what_is_written_arrives_and_who_does_not_read_it_is_no_error():
    done = asyncio.run(process.run(["cat"], stdin=b"hello\0" * 50_000, seconds=30))
    assert done.stdout == b"hello\0" * 50_000
    assert asyncio.run(process.run(["true"], stdin=b"x" * 1_000_000, seconds=30)).returncode == 0


@pytest.mark.parametrize("script", ["exec sleep 1000", "trap '' TERM; exec sleep 1000"])
def test_what_takes_too_long_is_killed(script, tmp_path):
    pid_file = tmp_path / "pid"

    async def run() -> None:
        await process.run(["sh", "-c", f"echo $$ >{pid_file}; {script}"], seconds=0.5)

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert gone(int(pid_file.read_text()))


def test_a_stubborn_child_ends_with_its_context():
    async def run() -> int:
        async with process.started(["sh", "-c", STUBBORN], stop_signals=((signal.SIGTERM, 0.2),)) as child:
            assert await child.stdout.readline() == b"ready\n"
        return child.returncode

    assert asyncio.run(run()) == -signal.SIGKILL


def test_a_child_ends_when_the_task_is_cancelled():
    pids = []

    async def hold() -> None:
        async with process.started(["sleep", "1000"]) as child:
            pids.append(child.pid)
            await child.wait()

    async def run() -> None:
        task = asyncio.create_task(hold())
        while not pids:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert gone(pids[0])


def test_a_child_does_not_outlive_us_when_we_are_killed():
    script = (
        "import asyncio, sys\nfrom borgpull import process\n"
        "async def hold():\n"
        "    async with process.started(['sleep', '1000']) as child:\n"
        "        print(child.pid, flush=True)\n"
        "        await child.wait()\n"
        "asyncio.run(hold())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def test_children_inherit_neither_settings_nor_secrets(monkeypatch):
    monkeypatch.setenv("BORG_PASSPHRASE", "hunter2")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.setenv("LD_PRELOAD", "/evil.so")
    done = asyncio.run(process.run(["env"], seconds=10))
    names = {line.partition(b"=")[0].decode() for line in done.stdout.splitlines()}
    assert names <= {"PATH", "TMPDIR", "HOME", "SHELL", "LC_ALL", "TZ", "PWD", "SHLVL", "_", "LC_CTYPE"}
    assert b"TZ=UTC" in done.stdout.splitlines()


def test_only_the_descriptors_meant_for_it_reach_a_child():
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    done = asyncio.run(process.run(["sh", "-c", f"ls /proc/self/fd; echo x >&{writing}"], seconds=10))
    os.close(reading)
    os.close(writing)
    assert done.returncode != 0
    assert str(writing) not in done.stdout.decode().split()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_shells_read_arguments_as_they_were_meant(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")

    @given(st.lists(ARGUMENT, min_size=1, max_size=4))
    @settings(max_examples=examples(60), deadline=None)
    def read_back(arguments):
        # Twice nested, as a command line of ours that ssh hands to a login shell that starts a shell.
        inner = process.Command("exec")["sh", "-c", 'printf "%s\\0" "$@"', "sh", arguments]
        done = process.run_now([shell, "-c", " ".join(inner.formulate(1))])
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode() == "".join(f"{argument}\0" for argument in arguments)

    read_back()


def test_the_last_lines_are_remembered():
    tail = process.Tail(3)
    for number in range(10):
        tail.add(str(number))
    assert tail.text == "7\n8\n9"


def test_a_limit_on_processes_is_named():
    if os.getuid() != 0:
        pytest.skip("needs root, to become a user with a limit of its own")
    code = (
        "import asyncio, os, resource; from borgpull import process; from borgpull.errors import failure_of\n"
        "os.setuid(65534); resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
        "try: asyncio.run(process.run(['true'], seconds=10))\n"
        "except OSError as error: print(failure_of(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "controller: it could not start another process\n"
