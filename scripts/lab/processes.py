"""What is running, read from /proc: whose child it is, and whom it mentions; and the daemons of a lab.

Ends processes by their pid, never by name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from borgpull import process

_PROC = Path("/proc")
_SECONDS_TO_DIE = 5.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def pids() -> list[int]:
    """Return the pids of all processes that this user can see."""
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def traces(pid: int) -> bytes:
    """Return the command line and the environment of a process; empty when it is gone or not ours to read."""
    found = b""
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            found += (_PROC / str(pid) / name).read_bytes()
    return found


def mentioning(text: str) -> list[int]:
    """Return the pids of processes other than this one with `text` in their command line or environment."""
    wanted = os.fsencode(text)
    return [pid for pid in pids() if pid != os.getpid() and wanted in traces(pid)]


def descendants(pid: int) -> list[int]:
    """Return the pids of the children of `pid`, of their children, and so on."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        next_ones = children.get(waiting.pop(), [])
        found += next_ones
        waiting += next_ones
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for pid in pids():
        if stat := _stat(pid):
            yield pid, int(stat[1])


def _stat(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        # the second field is the name in brackets, which may hold spaces and brackets of its own
        return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    return []


def has_ended(child: int) -> bool:
    """Tell whether our own child has ended, without collecting its exit status."""
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def end(wanted: Iterable[int]) -> None:
    """Kill these processes and wait until they are dead; those that are gone already are no error."""
    killed = list(wanted)
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _SECONDS_TO_DIE
    while any(_is_alive(pid) for pid in killed) and time.monotonic() < deadline:
        time.sleep(0.005)


def _is_alive(pid: int) -> bool:
    stat = _stat(pid)
    return bool(stat) and stat[0] not in (b"Z", b"X")


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def daemon(argv: Sequence[str], *, log: Path) -> Iterator[int]:
    """Keep a program running for as long as the context lasts, its output in `log`; yields its pid."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=process.environment(),
            start_new_session=True,
            preexec_fn=_die_with_parent,
        ) as running,
    ):
        try:
            yield running.pid
        finally:
            running.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(10)
            running.kill()
