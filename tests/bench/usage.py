"""What processes on C take, read from /proc in the middle of a run: seconds of CPU, memory, how many there are."""

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab import processes

_TICKS = os.sysconf("SC_CLK_TCK")
# To look costs time that the others lack: the CPU adds up by itself, what is there at the most has to be caught.
_EVERY_SECONDS = 0.25
_OFTEN_SECONDS = 0.05


@dataclass
class Usage:
    """What was seen of a run and of all that it started on C.

    `cpu` are the CPU seconds of each process so far, by pid, at each unix time of a look; `ssh` are the pids of its
    ssh processes that have a connection. `most` is how many processes there were at the most, by the name of their
    program, and `memory` what they took then (PSS, in bytes); `own` is what C's own process took at the most.
    """

    pid: int
    cpu: dict[float, dict[int, float]] = field(default_factory=dict)
    ssh: set[int] = field(default_factory=set)
    most: Counter[str] = field(default_factory=Counter)
    memory: int = 0
    own: int = 0

    def between(self, began: float, ended: float) -> tuple[float, float]:
        """Return the CPU seconds of ssh and of C's own process between two unix times."""
        looks = [self.cpu[at] for at in sorted(self.cpu) if began <= at <= ended]
        last: dict[int, float] = {}
        for look in looks:
            last |= look
        spent = {pid: seconds - looks[0].get(pid, 0.0) for pid, seconds in last.items()}
        return sum(spent.get(pid, 0.0) for pid in self.ssh), spent.get(self.pid, 0.0)

    def look(self, *, memory: bool) -> None:
        """Take in what runs now."""
        there = [self.pid, *processes.descendants(self.pid)]
        names: Counter[str] = Counter()
        now = self.cpu[time.time()] = {}
        for pid in there:
            words = _words(pid)
            if not words:
                continue
            names[Path(words[0]).name] += 1
            now[pid] = _cpu(pid)
            if Path(words[0]).name == "ssh" and "ControlMaster=no" not in words:
                self.ssh.add(pid)
        if memory and names.total() >= self.most.total():
            self.most = names
            self.memory = max(self.memory, sum(map(_memory, there)))
            self.own = max(self.own, _memory(self.pid))


@contextmanager
def usage_of(process: subprocess.Popen, *, memory: bool = False) -> Iterator[Usage]:
    """Watch a run for as long as the context lasts; to look at memory costs the kernel time that others lack."""
    seen = Usage(process.pid)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_OFTEN_SECONDS if memory else _EVERY_SECONDS):
            seen.look(memory=memory)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def seconds_of(work) -> float:
    """Return how long `work` takes, by the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
