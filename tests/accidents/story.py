"""The story of an accident: three good nights under `--keep-last 2`, five bad ones, its end; judged by plain borg."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from accidents.catalogue import FILES, NAME, OTHER, SIZE, Accident, Struck
from lab.trees import differences
from support import World, borg_14, loopback_world
from support.reading import config_of, row, said_of

CODES = {"done": 0, "warning": 1, "held": 1, "failed": 2, "tampered": 3, "unverifiable": 3}
GOOD, BAD = 3, 5


@dataclass
class Ending:
    """What became of an accident: what the operator read first of it, the exit codes of the bad nights and of the end.

    Of the `compared` good archives those named in `lost` are gone, or are not what they were.
    """

    accident: Accident
    version: str
    read: str = ""
    codes: list[int] = field(default_factory=list)
    compared: int = 0
    lost: list[str] = field(default_factory=list)
    after: int = -1


def told(accident: Accident, folder: Path, *, version: str) -> Ending:
    """Tell the story, with borg of this version on all three hosts."""
    with loopback_world((NAME, OTHER)) as world:
        struck = _struck(world, version)
        try:
            return _Telling(accident, struck, folder).told()
        finally:
            for place in (struck.data, world.lab.root):
                subprocess.run(["umount", str(place)], check=False, capture_output=True)


def _struck(world: World, version: str) -> Struck:
    config = config_of(world, NAME, OTHER)
    config["Borg"]["PruneSetting"] = "--keep-last 2"
    struck = Struck(world, config, version)
    struck.data.mkdir()
    for number in range(FILES):
        (struck.data / f"{number}").write_bytes(os.urandom(SIZE // FILES))
    struck.entry["SourcePaths"] = [str(struck.source), str(struck.data)]
    if version == "1.4":
        config["Borg"]["Server"]["BorgPath"] = borg_14()
        for entry in config["Servers"]:
            entry["BorgPath"] = borg_14()
    return struck


class _Telling:
    def __init__(self, accident: Accident, struck: Struck, folder: Path) -> None:
        self._accident, self._struck, self._folder = accident, struck, folder
        self._ending = Ending(accident, struck.version)
        self._good: dict[str, Path] = {}

    def told(self) -> Ending:
        self._accident.prepare(self._struck)
        for number in range(GOOD):
            (self._struck.data / "of this night").write_bytes(os.urandom(2000))
            assert self._night() == 0
            self._keep(number)
        for number in range(BAD):
            self._accident.happen(self._struck, number)
            self._ending.codes.append(self._night(reads=self._accident.reads))
        self._accident.mend(self._struck)
        if self._accident.command:
            self._struck.command(*self._accident.command)
        self._compare()
        self._struck.entry["BorgPath"] = borg_14() if self._struck.version == "1.4" else "borg"
        self._ending.after = self._night()
        return self._ending

    def _night(self, reads: str = "") -> int:
        borg = borg_14() if self._struck.version == "1.4" else ""
        result = self._struck.world.run("--json", config=self._struck.config, borg=borg)
        found = row(result, NAME)
        if reads and not self._ending.read:
            lines = [line for error in found["errors"] for line in error["rules"]] + said_of(found).splitlines()
            self._ending.read = next((line for line in lines if re.search(reads, line)), "")
        return CODES[found["outcome"]]

    def _keep(self, number: int) -> None:
        """Keep what is in the archives of a good night: those of the last two are not to be lost."""
        if number < GOOD - 2:
            return
        names = self._struck.world.lab.archives(self._struck.world.target(NAME))
        for name in set(names[-2:]) - set(self._good):
            kept = self._folder / f"kept {number} {name[:1]}"
            if name.startswith("@"):
                kept.mkdir()
                shutil.copy(self._struck.dump, kept)
                self._good[name] = kept
            elif name == max(each for each in names if not each.startswith("@")):
                self._good[name] = Path(shutil.copytree(self._struck.data, kept))

    def _compare(self) -> None:
        world, target = self._struck.world, self._struck.world.target(NAME)
        shutil.rmtree(world.lab.directory / "onlooker", ignore_errors=True)
        if not set(self._good) <= set(world.lab.archives(target)):
            # What was released as good pushed them out; before each prune that state was kept.
            listed = world.run("rollback", NAME, "--list", config=self._struck.config)
            oldest = next(line for line in listed.stdout.splitlines() if any(name in line for name in self._good))
            self._struck.command("rollback", NAME, "--to", oldest.split("  ")[0], "--yes")
            shutil.rmtree(world.lab.directory / "onlooker", ignore_errors=True)
        there = world.lab.archives(target)
        for name, kept in self._good.items():
            self._ending.compared += 1
            out = self._folder / f"out {name}"
            out.mkdir()
            if name in there:
                world.lab.extracted(target, name, out)
            if not _same(kept, out if name.startswith("@") else out / self._struck.data.relative_to("/")):
                self._ending.lost.append(name)


def _same(kept: Path, out: Path) -> bool:
    # The mode of what a command printed is borg's own.
    stream = kept / "dump.sql"
    if stream.exists():
        return (out / stream.name).exists() and (out / stream.name).read_bytes() == stream.read_bytes()
    return not differences(kept, out)
