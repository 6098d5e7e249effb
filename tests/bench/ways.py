"""The ways of the same data into a new repository: borg on T to a disk of its own, pushed to B by ssh, and pulled.

All of them run borg with the same options, and without anything in its caches.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.usage import Usage, usage_of
from borgpull.borg import command_lines as borg_command
from borgpull.config import Options
from support import World
from support.reading import only

SECONDS = 600.0
GCM = "aes128-gcm@openssh.com"


@dataclass(frozen=True)
class Span:
    """When something began, in unix seconds, and how long it took."""

    began: float
    seconds: float


def fill(folder: Path, *, megabytes: int) -> None:
    """Put random data into a folder, in files of a megabyte."""
    for number in range(megabytes):
        (folder / f"{number:04}").write_bytes(os.urandom(1_000_000))


@dataclass
class Ways:
    """The ways from the first target of a world; every archive has a repository of its own, which is then removed."""

    world: World
    made: int = 0
    sources: Path = field(init=False)

    def __post_init__(self) -> None:
        self.sources = self.world.targets[0].source

    def local(self) -> float:
        """Return the seconds of `borg create` into a repository on T's own disk."""
        with self._new() as repository:
            return self._create(str(repository))[0]

    def pushed(self, *, cipher: str = "") -> tuple[float, float]:
        """Return the seconds of `borg create` straight to B, and the CPU of its ssh; `cipher` or ssh's default."""
        with self._new() as repository:
            *options, address = self.world.ssh(self.world.lab.server)
            if cipher:
                options.append(f"-oCiphers={cipher}")
            return self._create(f"ssh://{address}{repository}", rsh=" ".join(options))

    def pulled(self) -> tuple[float, float, float]:
        """Return the seconds of the step `create` of borgpull, and the CPU that ssh and borgpull itself took on C."""
        with self._new() as repository:
            config = only(self.world.lab.config(), self.world.targets[0].name)
            config["Servers"][0]["BorgTarget"]["SubDir"] = repository.name
            steps, seen = run_of(self.world, config)
            shutil.rmtree(self.world.lab.root / ".borgpull")
            create = steps[0]["create"]
            return create.seconds, *seen.between(create.began, create.began + create.seconds)

    @contextmanager
    def _new(self) -> Iterator[Path]:
        self.made += 1
        repository = self.world.lab.root / f"new{self.made}"
        try:
            yield repository
        finally:
            shutil.rmtree(repository)
            shutil.rmtree(self._base, ignore_errors=True)

    @property
    def _base(self) -> Path:
        return self.world.lab.directory / "base"

    def _create(self, repository: str, *, rsh: str = "") -> tuple[float, float]:
        self._borg(repository, rsh, ["init", "-e", "repokey-blake2"])
        create = borg_command.create("one", sources=[str(self.sources)], excludes=[], options=Options())
        began = time.time()
        seen = self._borg(repository, rsh, create)
        ended = time.time()
        return ended - began, seen.between(began, ended)[0]

    def _borg(self, repository: str, rsh: str, arguments: list[str]) -> Usage:
        environment = dict(os.environ) | {
            "BORG_REPO": repository,
            "BORG_RSH": rsh,
            "BORG_BASE_DIR": str(self._base),
            "BORG_PASSPHRASE_FD": "0",
        }
        secret = self.world.targets[0].passphrase.encode()
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(["borg", *arguments], env=environment, **pipes) as process, usage_of(process) as seen:
            _, said = process.communicate(secret, timeout=SECONDS)
        assert process.returncode == 0, said
        return seen


def through(world: World, config: dict[str, Any], *, port: int) -> None:
    """Let C reach B through another port, a relay's."""
    server = world.lab.server
    config["Borg"]["Server"]["Host"] = f"{server.spot.address}:{port}"
    config["Borg"]["Server"]["KnownHost"] = server.known_host.replace(str(server.port), str(port))


def run_of(
    world: World, config: dict[str, Any], *arguments: str, memory: bool = False
) -> tuple[list[dict[str, Span]], Usage]:
    """Run borgpull; return each step of each target, and what the run took on C."""
    with world.start("--json", *arguments) as process, usage_of(process, memory=memory) as seen:
        stdout, stderr = process.communicate(world.lab.config_text(config), timeout=SECONDS)
    # 1: the first repository below a RootDir is worth a warning.
    assert process.returncode in (0, 1), stderr
    targets = json.loads(stdout)["targets"]
    return [{step["step"]: _span(step) for step in target["steps"]} for target in targets], seen


def _span(step: dict[str, Any]) -> Span:
    return Span(datetime.fromisoformat(step["started"]).timestamp(), step["duration"])


def plain_speed(world: World, port: int, megabytes: int) -> float:
    """Return how many MiB/s one channel of a plain ssh takes, to B's `cat`, after a tenth of as many megabytes."""
    command = world.ssh(replace(world.lab.server, port=port), "cat >/dev/null")
    with subprocess.Popen([command[0], f"-oCiphers={GCM}", *command[1:]], stdin=subprocess.PIPE) as process:
        for number in range(megabytes):
            if number == megabytes // 10:
                began = time.time()
            process.stdin.write(bytes(1_000_000))
        process.stdin.close()
        assert process.wait(timeout=SECONDS) == 0
        return (megabytes - megabytes // 10) * 1_000_000 / (time.time() - began) / 1024**2


def speed_under_way(told: Path) -> float:
    """Return how many MiB/s of new data came to B, over all targets of a run, between a tenth and the end of each.

    `told` is the file of its events. What it takes to start and to end is left out.
    """
    seen: dict[str, list[tuple[float, int]]] = {}
    for line in told.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "archive_progress":
            at = datetime.fromisoformat(event["at"]).timestamp()
            seen.setdefault(event["target"], []).append((at, event["deduplicated_size"]))
    speeds = []
    for points in seen.values():
        # the last one comes when all is over, with the final sizes
        under_way = [point for point in points[:-1] if point[1] >= points[-1][1] / 10]
        (began, first), (ended, last) = under_way[0], under_way[-1]
        speeds.append((last - first) / (ended - began) / 1024**2)
    return sum(speeds)
