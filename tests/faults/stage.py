"""A world in which runs can be held up at a chosen moment: B, the target that is struck, and another one beside it."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from faults.cells import B_LINK, BYSTANDER, FAULTED
from faults.gates import Gates
from lab import Spot, processes
from support import Result, World, loopback_world, needs_network_namespaces, walled_world
from support.following import Run
from support.network import CONTROLLER
from support.reading import connections, only

# So much that a compaction is worth its while, and no more.
_LARGE, _SMALL = 1_500_000, 30_000
_TARGETS = (FAULTED, BYSTANDER)


@dataclass(frozen=True)
class Stage:
    """The world, its gates, and a folder for what the runs tell."""

    world: World
    gates: Gates
    folder: Path

    def config(self, *names: str, limits: Mapping[str, str], patience: str) -> dict[str, Any]:
        """Return the config of a run of these targets, side by side, with borgs that come to the gates.

        `limits` are those of the faulted target.
        """
        config = only(self.world.lab.config(), *(names or _TARGETS), BorgPath=self.gates.borg)
        config["Borg"]["Server"]["BorgPath"] = self.gates.borg
        config["Borg"] |= {"Jobs": len(_TARGETS), "PruneSetting": "--keep-last 1", "CheckEvery": "always"}
        config["Borg"]["ServerPatience"] = patience
        config["Servers"] = [each | limits if each["Name"] == FAULTED else each for each in config["Servers"]]
        return config

    def start(self, *names: str, limits: Mapping[str, str] = MappingProxyType({}), patience: str = "5s") -> Run:
        """Start a run in the background, every file of its targets new."""
        for target in self.world.targets:
            for number in range(6):
                (target.source / f"small {number}").write_bytes(os.urandom(_SMALL))
            (target.source / "large").write_bytes(os.urandom(_LARGE))
        config = self.config(*names, limits=limits, patience=patience)
        return Run(self.world, config, self.folder, borg=self.gates.borg)

    def run(self, *names: str) -> Result:
        """Run it to its end."""
        return self.start(*names).end()

    def leave_open(self) -> None:
        """Have a run of the faulted target struck dead in its `create`: the next one inspects what it left."""
        gate = f"{FAULTED}.create"
        self.gates.shut(gate)
        run = self.start(FAULTED)
        run.until(lambda: self.gates.reached(gate))
        run.kill()
        self.gates.open()

    def leave(self) -> None:
        """Have B cut off all who are connected, and greet nobody until it comes back."""
        os.kill(self.world.lab.server.pid, signal.SIGSTOP)
        processes.end(connections(self.world.lab.server))

    def come_back(self) -> None:
        os.kill(self.world.lab.server.pid, signal.SIGCONT)

    def switch(self, link: str, *, up: bool) -> None:
        """Pull or plug a cable of C's."""
        network = self.world.network
        cable = f"to-{'B' if link == B_LINK else FAULTED}"
        device = ("link", "set", cable, "up" if up else "down")
        subprocess.run(["ip", "-n", network.namespaces[CONTROLLER], *device], check=True)


@contextlib.contextmanager
def stage(*, walled: bool) -> Iterator[Stage]:
    """Make a stage with an honest archive of each target; `walled` gives every host a link of its own."""
    with tempfile.TemporaryDirectory(prefix="bpgates-") as folder:
        gates = Gates(Path(folder, "gates"))
        with _world(gates, walled=walled) as world:
            for host in (world.lab.server, *(target.host for target in world.targets)):
                gates.admit(host.name, (host.directory / "authorized_keys").read_text())
            made = Stage(world, gates, Path(folder))
            done = made.run()
            assert done.returncode == 0, done.stderr
            yield made


def _world(gates: Gates, *, walled: bool) -> contextlib.AbstractContextManager[World]:
    lines = {name: gates.sshd_lines(name) for name in ("B", *_TARGETS)}
    if walled:
        needs_network_namespaces()
        return walled_world(_TARGETS, planted=False, sshd_lines=lines)
    spots = {name: Spot(name=name, sshd_lines=of) for name, of in lines.items()}
    return loopback_world([spots[name] for name in _TARGETS], server=spots["B"], planted=False)
