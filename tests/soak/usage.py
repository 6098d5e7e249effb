"""What C and the processes below it take at one moment: memory, descriptors. Needs root: C lets nobody else look."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab import processes

KILOBYTE = 1024


@dataclass(frozen=True)
class Memory:
    """Bytes of a process or of several: `resident` counts shared pages in full for each, `share` splits them."""

    resident: int = 0
    share: int = 0


@dataclass(frozen=True)
class Usage:
    """C when `done` targets were done and `jobs` running: its own process, its ssh processes, its borgs."""

    done: int
    jobs: int
    own: Memory
    descriptors: int
    ssh: Memory
    ssh_count: int
    borg: Memory
    borg_count: int


def usage_of(controller: int, *, done: int, jobs: int) -> Usage | None:
    """Return what C takes now, None when it has ended."""
    own = memory_of([controller])
    if not own.resident:
        return None
    below: dict[str, list[int]] = {}
    for pid in processes.descendants(controller):
        below.setdefault(_name(pid), []).append(pid)
    return Usage(
        done=done,
        jobs=jobs,
        own=own,
        descriptors=_descriptors(controller),
        ssh=memory_of(below.get("ssh", [])),
        ssh_count=len(below.get("ssh", [])),
        borg=memory_of(below.get("borg", [])),
        borg_count=len(below.get("borg", [])),
    )


def memory_of(pids: Iterable[int]) -> Memory:
    """Return the memory of these processes; one that has ended takes none."""
    resident = share = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
            resident += int(fields["Rss"].split()[0]) * KILOBYTE
            share += int(fields["Pss"].split()[0]) * KILOBYTE
    return Memory(resident, share)


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _descriptors(pid: int) -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0
