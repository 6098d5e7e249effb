"""The only room that starts processes. Each ends with the context that started it, and none outlives borgpull.

Children get a scrubbed environment, a terminal only for a user at it, and a death signal from the kernel if borgpull is
killed. Pipes are always read to their end; what is kept of them is bounded. It knows no ssh and no borg, and puts no
secret in argv or environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from plumbum.commands.base import ConcreteCommand

from .errors import Failure
from .untrusted import clean, last_lines

LONGEST_LINE = 64 * 1024
MOST_OUTPUT = 1024 * 1024
_CHUNK = 64 * 1024
_FEW_LINES = 4 * 1024
# The exit status of timeout(1).
_OUT_OF_TIME = 124
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Command(ConcreteCommand):
    """A command line composed with plumbum: `Command("ssh")["-T", "x", Command("sh")["-c", script]]`.

    A command inside a command is quoted for the shell that will read it; `formulate()` gives the argv.
    """

    QUOTE_LEVEL = 2

    def __init__(self, executable: str) -> None:
        super().__init__(executable, encoding=None)


@dataclass(frozen=True)
class Completed:
    """A process that has ended; `truncated` when it printed more than was kept."""

    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of every child: our PATH, HOME and TMPDIR, UTC, UTF-8, and `extra`."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SHELL": "/bin/sh", "HOME": _home()}
    return {"PATH": os.defpath} | kept | fixed | extra


def _home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def _bytes(word: str) -> bytes:
    # Whatever the locale is here, a name in the config is UTF-8 on every host.
    return word.encode("utf-8", "surrogateescape")


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def run_now(argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 10) -> Completed:
    """Run a short local program and wait for it; for work before the event loop runs.

    `timeout` is in seconds. Raises OSError when it cannot be started, subprocess.TimeoutExpired when it takes too long.
    """
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, env=environment(), check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


class Child:
    """A running process. `stdout` and `stderr` are None where its starter did not ask for pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.stdout: asyncio.StreamReader = process.stdout  # type: ignore[assignment]
        self.stderr: asyncio.StreamReader = process.stderr  # type: ignore[assignment]

    @property
    def returncode(self) -> int | None:
        """Return the exit status, -N for signal N, None while it runs."""
        return self._process.returncode

    async def write(self, data: bytes) -> None:
        """Write to its standard input, which it may have closed."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            with contextlib.suppress(ConnectionError):
                stdin.write(data)
                await stdin.drain()

    async def feed(self, data: bytes) -> None:
        """Write all of its standard input."""
        await self.write(data)
        self.close_stdin()

    def close_stdin(self) -> None:
        """Close its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def wait(self, seconds: float | None = None) -> int:
        """Wait for its end; raises TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Popen.send_signal polls first, and takes the status away from whoever waits for it (3.11).
                os.kill(self.pid, number)

    async def stop(self, *, stop_signals: Sequence[tuple[int, float]] = ((signal.SIGTERM, 5.0),)) -> None:
        """Stop it: send each signal and wait its number of seconds, then send SIGKILL."""
        try:
            for number, patience in stop_signals:
                if self.returncode is not None:
                    return
                self.send(number)
                with contextlib.suppress(TimeoutError):
                    await self.wait(patience)
        finally:
            self.send(signal.SIGKILL)
        # Bounded: asyncio 3.12 waits for the pipes too, which a grandchild may hold (cpython issue 119710).
        with contextlib.suppress(TimeoutError):
            await self.wait(5)


@contextlib.asynccontextmanager
async def started(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    folder: Path | None = None,
    own_session: bool = True,
    absent: Failure | None = None,
    stop_signals: Sequence[tuple[int, float]] = ((signal.SIGTERM, 5.0),),
) -> AsyncIterator[Child]:
    """Start a process in `folder`; it ends with this context at the latest.

    Without `own_session` it keeps the terminal: it can prompt, and Ctrl-C reaches it. Raises OSError when it cannot
    be started, and `absent` when the program is not installed.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *map(_bytes, argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={name: _bytes(value) for name, value in (environment() if env is None else env).items()},
            pass_fds=tuple(pass_fds),
            cwd=folder,
            start_new_session=own_session,
            preexec_fn=_die_with_parent,
        )
    except FileNotFoundError as error:
        raise absent or error from None
    child = Child(process)
    try:
        yield child
    finally:
        await child.stop(stop_signals=stop_signals)
        # Close its pipes: a grandchild may hold them open.
        process._transport.close()  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def pipe() -> AsyncIterator[tuple[asyncio.StreamReader, IO[bytes]]]:
    """Make a pipe for a child to write to; yields both ends. Close the second one once the child has it.

    To asyncio a child has not ended before a pipe of asyncio's making has (3.11.7), and ssh leaves that to a master.
    """
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    with os.fdopen(reading, "rb", 0) as source, os.fdopen(writing, "wb", 0) as end:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), source
        )
        try:
            yield reader, end
        finally:
            transport.close()


async def lines(stream: asyncio.StreamReader, *, longest: int = LONGEST_LINE) -> AsyncIterator[bytes]:
    """Yield the lines of a stream without their ends; of a longer one only its first `longest` bytes."""
    held = bytearray()
    while chunk := await stream.read(_FEW_LINES):
        # A read that has data does not yield to other tasks: a flood of short lines would block them.
        await asyncio.sleep(0)
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            held += line[: longest - len(held)]
            yield bytes(held)
            held.clear()
        held += rest[: longest - len(held)]
    if held:
        yield bytes(held)


async def read_all(stream: asyncio.StreamReader, *, most: int = MOST_OUTPUT) -> tuple[bytes, bool]:
    """Read a stream to its end; return its first `most` bytes, and whether there were more."""
    kept = bytearray()
    more = False
    while chunk := await stream.read(_CHUNK):
        room = most - len(kept)
        kept += chunk[:room]
        more = more or len(chunk) > room
    return bytes(kept), more


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    seconds: float,
    most: int = MOST_OUTPUT,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end. Raises TimeoutError after `seconds`, OSError when it cannot be started."""
    async with (
        started(argv, stdin=subprocess.PIPE, env=env) as child,
        asyncio.timeout(seconds),
        asyncio.TaskGroup() as tasks,
    ):
        output = tasks.create_task(read_all(child.stdout, most=most))
        errors = tasks.create_task(read_all(child.stderr))
        await child.feed(stdin)
        code = await child.wait()
    stdout, more = output.result()
    return Completed(code, stdout, errors.result()[0], more)


async def run_shell(
    command: str, *, stdin: bytes = b"", seconds: int, killed_after: int = 5, env: Mapping[str, str] | None = None
) -> tuple[bytes, str]:
    """Run an operator's command in a shell; return what it printed, and what went wrong, "" when nothing did.

    After `seconds` it and all that it started are killed.
    """
    # timeout(1) of coreutils kills the whole process group; a shell would leave its pipeline behind.
    argv = ["timeout", f"--kill-after={killed_after}", str(seconds), "/bin/sh", "-c", command]
    try:
        done = await run(argv, stdin=stdin, seconds=seconds + 2 * killed_after, env=env)
    except TimeoutError:
        done = Completed(_OUT_OF_TIME, b"", b"")
    except OSError as error:
        return b"", f"it could not be started: {error.strerror}"
    problem = ""
    if done.returncode == _OUT_OF_TIME:
        problem = f"it did not end within {seconds} s"
    elif done.returncode < 0:
        problem = f"it was killed by signal {-done.returncode}"
    elif done.returncode != 0:
        said = last_lines(done.stderr).rpartition("\n")[2]
        problem = clean(f"exit {done.returncode}" + (f": {said}" if said else ""))
    return done.stdout, problem


class Tail:
    """The last lines of an output, for the message when its process fails."""

    def __init__(self, lines_kept: int = 40) -> None:
        self._lines: deque[str] = deque(maxlen=lines_kept)
        self.count = 0

    def add(self, line: str) -> None:
        """Keep one more line."""
        self._lines.append(line)
        self.count += 1

    def since(self, count: int) -> list[str]:
        """Return the last lines without the first `count` that there ever were."""
        return list(self._lines)[max(0, len(self._lines) - (self.count - count)) :]

    @property
    def text(self) -> str:
        """Return the last lines, oldest first."""
        return "\n".join(self._lines)
