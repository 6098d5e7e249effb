"""Finds the processes of a run that a fault shall strike, by pid below C or below a host's sshd, and strikes them.

A process is held by a descriptor from then on, so that no signal ever reaches another one with the same pid.
"""

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.cells import (
    B_MASTER,
    B_SSHD,
    BORG,
    CLIENT,
    FAULTED,
    NEEDS,
    SERVE,
    SOCAT,
    T_MASTER,
    T_SSHD,
    C,
)
from lab import processes
from support import World

SECONDS_TO_DIE = 10.0


@dataclass(frozen=True)
class Victim:
    """A process that is held by a descriptor."""

    pid: int
    descriptor: int

    @property
    def alive(self) -> bool:
        return not select.select([self.descriptor], [], [], 0)[0]

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)

    def kill(self) -> None:
        """Kill it and wait until it is dead."""
        self.send(signal.SIGKILL)
        select.select([self.descriptor], [], [], SECONDS_TO_DIE)


@contextlib.contextmanager
def held(pids: list[int]) -> Iterator[list[Victim]]:
    """Hold processes for as long as the context lasts; none of them outlives it."""
    with contextlib.ExitStack() as stack:
        victims = []
        for pid in pids:
            victims.append(Victim(pid, os.pidfd_open(pid)))
            stack.callback(os.close, victims[-1].descriptor)
            stack.callback(victims[-1].kill)
        yield victims


def pids_of(name: str, world: World, controller: int) -> list[int]:
    """Return the pids of a victim of the faulted target's run; `controller` is the pid of C."""
    return _FINDERS[name](world, controller)


def _clients(world: World, controller: int) -> list[int]:
    controls = {_after(words(pid), b"-S") for pid in _masters(controller, world.target(FAULTED).host)}
    return _below(controller, lambda w: _after(w, b"-S") in controls and b"x" in w)


def _on_target(world: World, wanted: Callable[[list[bytes]], bool]) -> list[int]:
    return _below(world.target(FAULTED).host.pid, wanted)


def _serves(world: World) -> list[int]:
    place = os.fsencode(world.target(FAULTED).repository)
    return _below(world.lab.server.pid, lambda w: _is_borg(w) and b"serve" in w and place in w)


_FINDERS: dict[str, Callable[[World, int], list[int]]] = {
    **dict.fromkeys((C, *NEEDS), lambda world, controller: [controller]),
    B_MASTER: lambda world, controller: _masters(controller, world.lab.server),
    T_MASTER: lambda world, controller: _masters(controller, world.target(FAULTED).host),
    CLIENT: _clients,
    # Not the one that only tries a buffer.
    SOCAT: lambda world, controller: _on_target(world, lambda w: w[0].endswith(b"socat") and b"/dev/null" not in w),
    BORG: lambda world, controller: _on_target(world, lambda w: _is_borg(w) and b"create" in w),
    SERVE: lambda world, controller: _serves(world),
    B_SSHD: lambda world, controller: _children(world.lab.server.pid),
    T_SSHD: lambda world, controller: _children(world.target(FAULTED).host.pid),
}


def words(pid: int) -> list[bytes]:
    """Return the command line of a process; one empty word when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return [b""]


def _below(pid: int, wanted: Callable[[list[bytes]], bool]) -> list[int]:
    return [found for found in processes.descendants(pid) if wanted(words(found))]


def _masters(controller: int, host: Any) -> list[int]:
    ends = [str(host.port).encode(), host.spot.address.encode()]
    return _below(controller, lambda w: b"-M" in w and [_after(w, b"-p"), w[-2]] == ends)


def _after(command: list[bytes], word: bytes) -> bytes:
    return command[command.index(word) + 1] if word in command else b""


def _is_borg(command: list[bytes]) -> bool:
    return any(word.endswith(b"held_borg.py") for word in command[1:2])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
