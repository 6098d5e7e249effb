"""A world with the one target `web`, and runs in it that can be held up at a moment of their borgs."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faults.gates import Gates
from support import World
from support.daemons import DAEMON, IDLE
from support.following import Run, command_with, same_as
from support.reading import only

TARGET = "web"
# The longest silence, what the session then takes to end what is at work, and some more for a busy machine.
GONE_SECONDS = 180
# The hosts give a controller up sooner, and it shows more often that it lives.
HASTY = """\
from borgpull import ssh
from borgpull.ssh import watchdog
assert watchdog.SILENCE_SECONDS == 60 and ssh.WATCHDOG.count("-lt 60 ]") == 1
ssh.WATCHDOG = ssh.WATCHDOG.replace("-lt 60 ]", "-lt 10 ]")
ssh.SILENCE_SECONDS = watchdog.SILENCE_SECONDS = 10
watchdog.BEAT_SECONDS = 1.0
"""
# So much new data that the next compaction is worth its while.
_LARGE, _SMALL = 1_500_000, 30_000


class Alone:
    """The world, its config, and the gates of its borgs. `borg` is what runs on the hosts, and comes to the gates."""

    def __init__(self, world: World, folder: Path, *, config: dict[str, Any] | None = None, borg: str = "") -> None:
        at = world.lab.directory / "gates"
        self.world, self.folder, self.gates = world, folder, Gates(at)
        at.chmod(0o777)  # whoever comes to a gate leaves word
        self.target = world.target(TARGET)
        self.ledger = world.lab.root / ".borgpull" / TARGET
        self.config = only(config or world.lab.config(), TARGET, BorgPath=borg or self.gates.borg)
        self.config["Borg"]["Server"]["BorgPath"] = borg or self.gates.borg
        self.config["Borg"] |= {"PruneSetting": "--keep-last 1", "CheckEvery": "never", "Retries": 0}
        self._owner = (self.target.source.stat().st_uid, self.target.source.stat().st_gid)
        self.runs_well()

    def start(self, *arguments: str, changed: str = "") -> Run:
        """Start a run that has something to send, to prune and to compact."""
        for name, size in {"large": _LARGE, **{f"small {number}": _SMALL for number in range(6)}}.items():
            place = self.target.source / name
            place.write_bytes(os.urandom(size))
            os.chown(place, *self._owner)
        return Run(self.world, self.config, self.folder, *arguments, borg=self.gates.borg, changed=changed)

    @contextlib.contextmanager
    def held(self, *moments: str, arguments: tuple[str, ...] = (), changed: str = "") -> Iterator[Run]:
        """Start a run that stands still at the last of these moments, one after the other; at the end all is let go."""
        names = [f"{TARGET}.{moment}" for moment in moments]
        self.gates.shut(names[0])
        run = self.start(*arguments, changed=changed)
        try:
            run.until(lambda: self.gates.reached(names[0]))
            for before, gate in itertools.pairwise(names):
                self.gates.shut(gate)
                self.gates.open(before)
                run.until(lambda gate=gate: self.gates.reached(gate))
            yield run
        finally:
            self.gates.open()
            run.kill()

    def borg(self, *arguments: str) -> bytes:
        """Run borg on the repository here, by hand; what it writes belongs to whoever owns the rest."""
        said = self.world.lab.borg(self.target, *arguments)
        for place in self.target.repository.rglob("*"):
            os.chown(place, *self._owner)
        return said

    @property
    def archives(self) -> list[str]:
        return self.borg("list", "--short").decode().split()

    def serve(self) -> int | None:
        """Return the pid of the serve on B, as this machine counts."""
        return command_with(self.world.lab.server.pid, b"serve")

    def sessions(self) -> list[Path]:
        """Return the folders of those who have the lock, or wait for it."""
        return list(self.ledger.glob("session.*"))

    def at_work(self, *but: int) -> list[str]:
        """Return what is at work or left on the hosts, but for `but`, and for what a killed C leaves at home."""
        idle = [*IDLE, f"left: {self.world.memory}", *(f"process {pid}: " for pid in but)]
        if but:
            # A connection on which nobody runs anything lasts for as long as its client. A serve that had to be killed
            # leaves its lock, which the next borg there breaks, as its owner is dead.
            idle += ["lock.exclusive", *(f": {daemon}: " for daemon in ("sshd", DAEMON))]
        return [line for line in self.world.leftovers(seconds=0) if not any(word in line for word in idle)]

    def until_given_up(self, *but: int) -> None:
        """Wait until nobody is at work on a host any more, but for these, and nobody holds the lock."""
        deadline = time.monotonic() + GONE_SECONDS
        while left := [*self.at_work(*but), *map(str, self.sessions()), *map(str, self.ledger.glob("lock"))]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)

    def state(self) -> dict[str, bytes]:
        """Return every file of the repository and of its ledger, but for the history of the runs."""
        of_ledger = {f"ledger: {name}": data for name, data in same_as(self.ledger).items() if "history" not in name}
        return same_as(self.target.repository) | of_ledger

    def runs_well(self) -> None:
        """Run, and leave nothing."""
        run = self.start()
        done = run.end()
        assert done.returncode == 0, done.stderr
        assert run.accusations() == []
        self.until_given_up()

    def is_well(self) -> None:
        """Run again, look at the repository with other eyes, and ask for its status."""
        self.runs_well()
        self.borg("check")
        status = self.world.run("status", config=self.config)
        assert status.returncode == 0, status.stdout
