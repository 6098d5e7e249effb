"""A lab with a controller C in it: runs borgpull there, and tells what the run left behind."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import Lab, Spot, Target, lab_running, processes
from lab.trees import plant

from .network import CONTROLLER, Network, network_of

ROOT = Path(__file__).parents[2]
DISTRIBUTION_BORG = "/usr/bin/borg"
TARGETS = ("web", "mail")
# A folder on C with a borg that leaves out its test of itself: borgpull hands no setting of borg's on.
QUICK = "quick"
QUICK_BORG = f'#!/bin/sh\nBORG_SELFTEST=disabled exec {DISTRIBUTION_BORG} "$@"\n'


@dataclass(frozen=True)
class Result:
    """How a command on C ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class World:
    """A lab as C sees it. `memory` is C's XDG_RUNTIME_DIR, on a tmpfs; `cache` its XDG_CACHE_HOME."""

    lab: Lab
    memory: Path
    network: Network | None = None

    @property
    def cache(self) -> Path:
        return self.lab.directory / "cache"

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.lab.targets

    def target(self, name: str) -> Target:
        """Return the target with this name."""
        return next(target for target in self.targets if target.name == name)

    def run(
        self,
        *arguments: str,
        config: dict[str, Any] | str | None = None,
        borg: str = "",
        env: Mapping[str, str] | None = None,
        seconds: float = 180,
    ) -> Result:
        """Run borgpull on C with `config` (the lab's own, if None) on its stdin, `borg` first on its PATH."""
        process = self.start(*arguments, borg=borg, env=env)
        text = config if isinstance(config, str) else self.lab.config_text(config)
        with process:
            try:
                stdout, stderr = process.communicate(text, timeout=seconds)
            finally:
                process.kill()
        return Result(process.returncode, stdout, stderr)

    def start(
        self, *arguments: str, borg: str = "", env: Mapping[str, str] | None = None, changed: str = ""
    ) -> subprocess.Popen:
        """Start borgpull on C; the caller writes the config, sends signals, and waits for it.

        `changed` is Python that changes it before it begins.
        """
        entry = ("-c", f"{changed}\nfrom borgpull.__main__ import main\nmain()") if changed else ("-m", "borgpull")
        return subprocess.Popen(
            self.on_controller(sys.executable, *entry, *arguments),
            env=self.environment(borg=borg) | dict(env or {}),
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def environment(self, *, borg: str = "") -> dict[str, str]:
        """Return the environment of commands on C."""
        first = Path(borg).parent if borg else self.lab.directory / QUICK
        path = os.pathsep.join([str(first), os.environ["PATH"]])
        own = {"XDG_RUNTIME_DIR": str(self.memory), "XDG_CACHE_HOME": str(self.cache), "PATH": path}
        return dict(os.environ) | own

    def on_controller(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` on C."""
        return [*(self.network.prefix(CONTROLLER) if self.network else ()), *argv]

    def ssh(self, host: Any, *arguments: str) -> list[str]:
        """Return the command line of a plain ssh from C to a host, for options and a command to follow."""
        key, known = self.memory / f"{host.name}.key", self.memory / f"{host.name}.known"
        key.write_text(host.key.private)
        key.chmod(0o600)
        known.write_text(host.known_host + "\n")
        options = {"IdentityFile": key, "UserKnownHostsFile": known, "GlobalKnownHostsFile": "/dev/null"}
        fixed = {
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "LogLevel": "ERROR",
        }
        flags = [f"-o{name}={value}" for name, value in (options | fixed).items()]
        where = ["-F", "none", *flags, "-p", str(host.port), "-l", host.user, host.spot.address]
        return self.on_controller("ssh", *where, *arguments)

    def leftovers(self, *, seconds: float = 15.0) -> list[str]:
        """Return what a run left behind on C, B and the targets, a line each, if it stays for `seconds`."""
        deadline = time.monotonic() + seconds
        while found := [*self._processes(), *self._places()]:
            if time.monotonic() > deadline:
                return found
            time.sleep(0.1)
        return []

    def _processes(self) -> list[str]:
        listeners = {host.pid for host in self._hosts()}
        found = {pid for pid in listeners for pid in processes.descendants(pid)}
        for place in (self.lab.directory, self.memory):
            found.update(processes.mentioning(str(place)))
        for name in self.network.namespaces if self.network else ():
            found.update(self.network.pids(name))
        described = {pid: processes.traces(pid).replace(b"\0", b" ")[:200] for pid in found - listeners}
        return [f"process {pid}: {os.fsdecode(said)}" for pid, said in described.items() if said]

    def _places(self) -> list[str]:
        places = [*self.memory.glob("borgpull*"), *self.lab.root.rglob("lock.exclusive")]
        for host in self._hosts():
            places += host.temporary.iterdir()
        return [f"left: {place}" for place in places]

    def _hosts(self) -> list[Any]:
        return [self.lab.server, *(target.host for target in self.targets)]


def borg_14() -> str:
    """Return the path of a Borg 1.4, which scripts/setup.sh makes; without it skip, or fail where CI is set."""
    path = ROOT / ".venv-borg14" / "bin" / "borg"
    if path.exists():
        return str(path)
    if os.environ.get("CI"):
        pytest.fail(f"there is no {path}: `make test` makes it")
    pytest.skip(f"there is no {path}: `make test` makes it")


def borg_of(version: str) -> str:
    """Return the path of the borg of a version, "1.2" or "1.4"."""
    return DISTRIBUTION_BORG if version == "1.2" else borg_14()


def python_of(version: str) -> str:
    """Return the Python that the borg of a version runs in."""
    return "/usr/bin/python3" if version == "1.2" else str(Path(borg_14()).with_name("python"))


@contextlib.contextmanager
def loopback_world(
    targets: Sequence[str | Spot] = TARGETS,
    *,
    server: Spot | None = None,
    planted: bool = True,
    check_every: str = "never",
    prune_every: str = "always",
    parent: Path | None = None,
) -> Iterator[World]:
    """Start B and targets on loopback. A target is a name, or a Spot where more is to be said.

    `check_every` and `prune_every` are the config's CheckEvery and PruneEvery; borgpull's own, if they are empty.
    `parent` is where the lab lies.
    """
    spots = [Spot(name=target) if isinstance(target, str) else target for target in targets]
    where = {"check_every": check_every, "prune_every": prune_every, "parent": parent}
    with _memory() as memory, lab_running(server or Spot(name="B"), spots, **where) as lab:
        yield _furnished(World(lab, memory), planted=planted)


@contextlib.contextmanager
def walled_world(
    targets: Sequence[str] = TARGETS,
    *,
    planted: bool = True,
    borgs: Mapping[str, str] | None = None,
    sshd_lines: Mapping[str, tuple[str, ...]] | None = None,
    prefixes: Mapping[str, tuple[str, ...]] | None = None,
) -> Iterator[World]:
    """Start C, B and targets in network namespaces: C reaches all, nobody else reaches anybody. Needs root.

    `borgs` is the path of borg on a host, `sshd_lines` what its sshd is told first, `prefixes` what is put before its
    command line, all by the host's name.
    """
    with network_of(["B", *targets]) as network, _memory() as memory:
        spots = {
            name: Spot(
                name=name,
                address=address,
                port=22 if number % 2 == 0 else 2222,  # the default port and another, as in real life
                prefix=(*network.prefix(name), *(prefixes or {}).get(name, ())),
                borg_path=(borgs or {}).get(name, ""),
                sshd_lines=(sshd_lines or {}).get(name, ()),
            )
            for number, (name, address) in enumerate(network.addresses.items())
        }
        with lab_running(spots.pop("B"), list(spots.values()), prune_every="always") as lab:
            yield _furnished(World(lab, memory, network), planted=planted)


def _furnished(world: World, *, planted: bool) -> World:
    world.cache.mkdir()
    (world.lab.directory / QUICK).mkdir()
    (world.lab.directory / QUICK / "borg").write_text(QUICK_BORG)
    (world.lab.directory / QUICK / "borg").chmod(0o755)
    for target in world.targets if planted else ():
        plant(target.source)
    return world


@contextlib.contextmanager
def _memory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="bpmem-", dir="/dev/shm"))
    try:
        yield directory
    finally:
        processes.end(processes.mentioning(str(directory)))
        shutil.rmtree(directory)
