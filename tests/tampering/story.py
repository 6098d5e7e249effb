"""The whole story of some attacks through the real command and the real transport, some targets side by side.

Honest archives; then for each attack: the attack, two more honest runs, the rollback, and every archive compared; in
the end an honest run. Another target, to which nothing happens, is in the runs of the first round.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attacks.attack import plant as plant_attack
from attacks.more_moves import plant_more
from lab.trees import differences, plant
from support import World, borg_of, loopback_world, python_of
from tampering.catalogue import Attack

BYSTANDER = "bystander"
CODES = {"done": 0, "warning": 1, "failed": 2, "tampered": 3, "unverifiable": 3}
SECONDS = 900.0
VERSIONS = ("1.2", "1.4")
_SIDE_BY_SIDE = 4


@dataclass
class Ending:
    """What became of one attack on the target `name`, whose borg is of `version`. Codes are those of this target."""

    attack: Attack
    name: str
    version: str
    code: int = -1
    told: tuple[str, ...] = ()
    later: list[int] = field(default_factory=list)
    later_said: list[str] = field(default_factory=list)
    segments_kept: bool = False
    rollback: int = -1
    rollback_said: str = ""
    compared: int = 0
    different: list[str] = field(default_factory=list)


@dataclass
class Story:
    """What happened in a world; `keep` is how many archives a prune leaves, `marks` what an
    attack itself left to tell, by its title."""

    world: World
    folder: Path
    versions: dict[str, str]
    keep: int
    archives: dict[str, list[str]] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    bystander: list[int] = field(default_factory=list)
    after: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def begin(self, archives: int) -> None:
        """Let every target have this many honest archives, and keep what is in them."""
        for number in range(archives):
            for target in self.world.targets:
                # so much that a compaction would be worth its while
                plant(target.source / f"files {number}", files=3, size=900_000)
            for name, row in self._run(self._config(bystander=False)).items():
                assert row["outcome"] == "done", row
                self.archives.setdefault(name, []).append(row["archive"]["name"])
                shutil.copytree(self.world.target(name).source, self._kept(name, number), symlinks=True)

    def round(self, attacks: Sequence[Attack], *, bystander: bool) -> None:
        """Let each attack happen to a target of its own, and put back what it did."""
        endings = {
            name: Ending(attack, name, version)
            for attack, (name, version) in zip(attacks, self.versions.items(), strict=False)
        }
        segments = {name: self._segments(name) for name in endings}
        self._attack(endings, bystander=bystander)
        for _ in range(2):
            for name, row in self._run(self._config(*endings, bystander=bystander)).items():
                endings[name].later.append(CODES[row["outcome"]])
                endings[name].later_said += [error["cause"] for error in row["errors"]]
        for name, ending in endings.items():
            ending.segments_kept = self._within_reach(name) >= segments[name]
            if ending.code == 3:
                self._roll_back(ending)
            self._compare(ending)
        self.endings += endings.values()

    def end(self) -> None:
        """Let every target have one more honest run."""
        self.after = {name: CODES[row["outcome"]] for name, row in self._run(self._config(bystander=False)).items()}

    def _config(self, *names: str, bystander: bool = True) -> dict[str, Any]:
        wanted = {*(names or self.versions), *([BYSTANDER] if bystander else [])}
        config = self.world.lab.config()
        config["Borg"]["Jobs"] = _SIDE_BY_SIDE
        config["Borg"]["PruneSetting"] = f"--keep-last {self.keep}"
        config["Servers"] = [entry for entry in config["Servers"] if entry["Name"] in wanted]
        for entry in config["Servers"]:
            if entry["Name"] != BYSTANDER:
                entry["BorgPath"] = borg_of(self.versions[entry["Name"]])
        return config

    def _run(
        self, config: dict[str, Any], meanwhile: Callable[[subprocess.Popen], None] | None = None
    ) -> dict[str, dict[str, Any]]:
        process = self.world.start("--json")
        with process:
            try:
                process.stdin.write(self.world.lab.config_text(config))
                process.stdin.close()
                process.stdin = None
                if meanwhile:
                    meanwhile(process)
                stdout, stderr = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
        assert "Traceback" not in stderr, stderr
        assert stdout, stderr
        rows = {row["name"]: row for row in json.loads(stdout)["targets"]}
        if BYSTANDER in rows:
            self.bystander.append(CODES[rows.pop(BYSTANDER)["outcome"]])
        assert process.returncode == max(CODES[row["outcome"]] for row in rows.values()), stderr
        return rows

    def _attack(self, endings: dict[str, Ending], *, bystander: bool) -> None:
        config = self._config(*endings, bystander=bystander)
        waiting: dict[str, tuple[Ending, Path]] = {}
        for entry in config["Servers"]:
            if (ending := endings.get(entry["Name"])) is None:
                continue
            target = self.world.target(ending.name)
            place = target.host.directory / f"borg {ending.attack.title}"
            entry["BorgPath"] = str(place)
            plant_it = plant_more if ending.attack.more else plant_attack
            marks = plant_it(place, ending.attack.move, python=python_of(ending.version))
            plant(target.source / f"more {ending.attack.title}", files=2, size=30_000)
            if ending.attack.on_server:
                waiting[ending.name] = (ending, marks)
        for name, row in self._run(config, lambda process: self._act(waiting, process)).items():
            endings[name].code = CODES[row["outcome"]]
            endings[name].told = tuple(line for error in row["errors"] for line in (error["rules"] or [error["cause"]]))
            tried = self.world.target(name).host.directory / f"borg {endings[name].attack.title}.marks" / "tried"
            if tried.exists():
                self.marks[endings[name].attack.title] = tried.read_text()

    def _act(self, waiting: dict[str, tuple[Ending, Path]], process: subprocess.Popen) -> None:
        deadline = time.monotonic() + SECONDS
        while waiting and process.poll() is None and time.monotonic() < deadline:
            for name, (ending, marks) in list(waiting.items()):
                if (marks / "open").exists():
                    ending.attack.on_server(self.world.target(name).repository)
                    (marks / "go").touch()
                    del waiting[name]
            time.sleep(0.02)

    def _kept(self, name: str, number: int) -> Path:
        return self.folder / f"{name} {number}"

    def _segments(self, name: str) -> set[tuple[str, int]]:
        return _files(self.world.target(name).repository)

    def _within_reach(self, name: str) -> set[tuple[str, int]]:
        """Return the segments of the repository and of its snapshot: what one can still go back to."""
        return self._segments(name) | _files(self.world.lab.root / ".borgpull" / name / "snapshot")

    def _roll_back(self, ending: Ending) -> None:
        done = self.world.run("rollback", ending.name, "--yes", config=self._config(ending.name))
        ending.rollback, ending.rollback_said = done.returncode, done.stderr

    def _compare(self, ending: Ending) -> None:
        target = self.world.target(ending.name)
        for number, archive in enumerate(self.archives[ending.name]):
            folder = self.folder / f"{ending.attack.title} {number} out"
            folder.mkdir()
            out = self.world.lab.extracted(target, archive, folder)
            ending.different += differences(self._kept(ending.name, number), out)
            ending.compared += 1
            shutil.rmtree(folder)


def _files(repository: Path) -> set[tuple[str, int]]:
    return {(place.name, place.stat().st_size) for place in repository.glob("data/*/*")}


def told(attacks: Sequence[Attack], folder: Path, *, targets: int, shift: int = 0, archives: int = 1) -> Story:
    """Tell the story of these attacks on so many targets; of T's borg 1.2 and 1.4 in turn, `shift` turns it round.

    The other target is in the first round only.
    """
    versions = {f"web{number}": VERSIONS[(number + shift) % 2] for number in range(targets)}
    with loopback_world([*versions, BYSTANDER], planted=False, check_every="") as world:
        # as few as there are, so that an archive too many would cost one; more, where honest runs are not rolled back
        keep = archives + 1 if all(attack.code == 3 for attack in attacks) else 30
        story = Story(world, folder, versions, keep)
        story.begin(archives)
        for first in range(0, len(attacks), targets):
            story.round(attacks[first : first + targets], bystander=first == 0)
        story.end()
        return story
