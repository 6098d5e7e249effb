"""One run of many targets, each with an sshd and a repository of its own, watched from its first moment to its last."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from soak.usage import Usage, usage_of
from support import World
from support.following import Run

_PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Course:
    """How a run went: `rows` are the names and outcomes of its report, `begun` the names as they had their turn."""

    targets: tuple[str, ...]
    jobs: int
    code: int
    seconds: float
    rows: tuple[tuple[str, str], ...]
    begun: tuple[str, ...]
    usages: tuple[Usage, ...]
    stderr: str
    retried: tuple[str, ...] = ()

    @property
    def descriptors(self) -> int:
        """Return how many descriptors C had at the most."""
        return max(each.descriptors for each in self.usages)

    @property
    def own(self) -> int:
        """Return the most bytes that C's own process had resident."""
        return max(each.own.resident for each in self.usages)

    @property
    def busiest(self) -> Usage:
        """Return the moment at which the ssh processes took the most."""
        return max(self.usages, key=lambda each: each.ssh.share)


@dataclass
class _Progress:
    """Whose turn came and who is done, read from the events as they are written."""

    told: Path
    begun: dict[str, None] = field(default_factory=dict)
    finished: int = 0
    retried: list[str] = field(default_factory=list)
    _read: int = 0

    def look(self) -> None:
        if not self.told.exists():
            return
        with self.told.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._take(json.loads(line))

    def _take(self, event: dict) -> None:
        if event["event"] == "step_started":
            self.begun.setdefault(event["target"])
        self.finished += event["event"] == "target_finished"
        if event["event"] == "retried":
            self.retried.append(f"{event['target']}: {event['party']}: {event['cause']}")


def watched(
    world: World, folder: Path, *, targets: int, jobs: int, seconds: float, config: dict | None = None
) -> Course:
    """Back up the first `targets` of the world, `jobs` side by side. Raises TimeoutExpired after `seconds`."""
    config = config or world.lab.config()
    config["Servers"] = config["Servers"][:targets]
    config["Borg"]["Jobs"] = jobs
    began = time.monotonic()
    run = Run(world, config, folder, "--json", "--quiet")
    progress = _Progress(run.told)
    with run.process, _sampled(run.process, progress) as usages:
        try:
            stdout, stderr = run.process.communicate(timeout=seconds)
        finally:
            run.process.kill()
    return Course(
        targets=tuple(entry["Name"] for entry in config["Servers"]),
        jobs=jobs,
        code=run.process.returncode,
        seconds=time.monotonic() - began,
        rows=tuple((row["name"], row["outcome"]) for row in json.loads(stdout or '{"targets": []}')["targets"]),
        begun=tuple(progress.begun),
        usages=tuple(usages),
        stderr=stderr,
        retried=tuple(progress.retried),
    )


@contextmanager
def busy_loops(number: int) -> Iterator[None]:
    """Keep so many processors busy for as long as the context lasts."""
    with ExitStack() as stack:
        for _ in range(number):
            # It ends with whoever started it, however that ends.
            loop = "while kill -0 $PPID; do i=0; while [ $i -lt 10000 ]; do i=$((i + 1)); done; done"
            process = stack.enter_context(subprocess.Popen(["sh", "-c", loop], stderr=subprocess.DEVNULL))
            stack.callback(process.kill)
        yield


@contextmanager
def _sampled(process: subprocess.Popen, progress: _Progress) -> Iterator[list[Usage]]:
    """Look at C again and again, in a thread, for as long as the context lasts."""
    usages: list[Usage] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PAUSE_SECONDS):
            progress.look()
            if usage := usage_of(process.pid, done=progress.finished, jobs=len(progress.begun) - progress.finished):
                usages.append(usage)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield usages
    finally:
        over.set()
        watcher.join()
        progress.look()
