"""The accidents and sly moves that a target is held for, or fails: what happens, what is read of it, what ends it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attacks.attack import plant as plant_attack
from support import World, python_of
from support.disks import fill

NAME, OTHER = "web", "mail"
FILES, SIZE = 60, 6_000_000


@dataclass
class Struck:
    """A target with a folder of data beside its other source, and the config of its nights, which may be changed."""

    world: World
    config: dict[str, Any]
    version: str

    @property
    def entry(self) -> dict[str, Any]:
        return self.config["Servers"][0]

    @property
    def source(self) -> Path:
        return self.world.target(NAME).source

    @property
    def data(self) -> Path:
        return self.source.parent / "data"

    @property
    def aside(self) -> Path:
        """Where the data is meanwhile."""
        return self.data.with_name("aside")

    @property
    def dump(self) -> Path:
        return self.data.with_name("dump.sql")

    def command(self, *arguments: str) -> None:
        done = self.world.run(*arguments, config=self.config)
        assert done.returncode == 0, done.stderr


def nothing(_struck: Struck) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Accident:
    """What `happen`s after the good nights, and again before each later one; `mend` undoes it once they are over.

    `reads` is what the operator is to read, `command` what ends it; without one it ends by itself. `code` is the run's.
    """

    title: str
    words: str
    reads: str
    happen: Callable[[Struck, int], None]
    mend: Callable[[Struck], None] = nothing
    command: tuple[str, ...] = ()
    prepare: Callable[[Struck], None] = nothing
    code: int = 1


def mounted(struck: Struck) -> None:
    struck.data.rename(struck.aside)
    struck.data.mkdir()
    subprocess.run(["mount", "--bind", str(struck.aside), str(struck.data)], check=True)


def unmounted(struck: Struck, night: int) -> None:
    if night == 0:
        subprocess.run(["umount", str(struck.data)], check=True)


def remounted(struck: Struck) -> None:
    subprocess.run(["mount", "--bind", str(struck.aside), str(struck.data)], check=True)


def emptied(struck: Struck, night: int) -> None:
    if night == 0:
        struck.data.rename(struck.aside)
        struck.data.mkdir()


def put_back(struck: Struck) -> None:
    if struck.data.is_dir() and not struck.data.is_symlink():
        shutil.rmtree(struck.data)
    else:
        struck.data.unlink()
    struck.aside.rename(struck.data)


def linked(struck: Struck, night: int) -> None:
    if night == 0:
        struck.data.rename(struck.aside)
        struck.data.symlink_to(struck.aside)


def another_kind(struck: Struck, night: int) -> None:
    if night == 0:
        struck.data.rename(struck.aside)
        struck.data.write_text("not what it was")


def excluded(struck: Struck, night: int) -> None:
    struck.entry["Excludes"] = [str(struck.data)]


def included(struck: Struck) -> None:
    struck.entry["Excludes"] = []


def shrunk(struck: Struck, night: int) -> None:
    if night == 0:
        shutil.copytree(struck.data, struck.aside)
        for file in sorted(struck.data.iterdir())[8:]:
            file.unlink()


def alone(struck: Struck) -> None:
    struck.entry["SourcePaths"] = [str(struck.data)]


def shrinking(struck: Struck, night: int) -> None:
    """Lose a third of what is left, three nights."""
    if night == 0:
        shutil.copytree(struck.data, struck.aside)
    left = sorted(struck.data.iterdir())
    for file in left[len(left) * 2 // 3 :] if night < 3 else []:
        file.unlink()


def dumped(struck: Struck) -> None:
    struck.dump.write_bytes(os.urandom(SIZE))
    struck.entry["Streams"] = [{"Name": "dump.sql", "Command": f"cat '{struck.dump}'"}]


def cut_off(struck: Struck, night: int) -> None:
    if night == 0:
        struck.aside.write_bytes(struck.dump.read_bytes())
        struck.dump.write_bytes(struck.aside.read_bytes()[: SIZE // 10])


def whole_again(struck: Struck) -> None:
    struck.aside.rename(struck.dump)


def encrypted(struck: Struck, night: int) -> None:
    if night:
        return
    shutil.copytree(struck.source, struck.aside, symlinks=True)
    for place in (struck.data, struck.source):
        for file in place.rglob("*"):
            if file.is_file() and not file.is_symlink():
                file.write_bytes(os.urandom(max(1, file.stat().st_size)))


def swapped(struck: Struck, night: int) -> None:
    if night == 0:
        first, second = struck.config["Servers"]
        first["Connection"], second["Connection"] = second["Connection"], first["Connection"]
        first["SourcePaths"], second["SourcePaths"] = second["SourcePaths"], first["SourcePaths"]


def unswapped(struck: Struck) -> None:
    swapped(struck, 0)


def provoking(struck: Struck, night: int) -> None:
    """Look encrypted each night, so that `release` becomes a habit; then delete an archive."""
    if 0 < night < 4:
        struck.command("release", NAME, "--good")
    if night < 3:
        for file in struck.data.iterdir():
            file.write_bytes(os.urandom(SIZE // FILES))
    elif night == 3:
        place = struck.data.with_name("borg delete")
        plant_attack(place, "delete_archive", python=python_of(struck.version))
        struck.entry["BorgPath"] = str(place)


def forging(struck: Struck, night: int) -> None:
    """Say of a whole archive that there is next to nothing in it, to have it set aside."""
    if night == 0:
        borg = struck.entry.get("BorgPath") or shutil.which("borg")
        place = struck.data.with_name("borg that lies")
        lie = r's/"original_size": [0-9]*/"original_size": 1000/; s/"nfiles": [0-9]*/"nfiles": 1/'
        place.write_text(f'#!/bin/sh\n\'{borg}\' "$@" >"$0.said"\nr=$?\nsed \'{lie}\' "$0.said"\nexit $r\n')
        place.chmod(0o755)
        struck.entry["BorgPath"] = str(place)


def small(struck: Struck) -> None:
    """Have a disk of its own for RootDir, that borgpull knows."""
    root = struck.world.lab.root
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800M,mode=0700", "borgpull-test", str(root)], check=True)
    (root / ".borgpull" / ".borgpull" / "ids").mkdir(parents=True)


def filled(struck: Struck, _night: int) -> None:
    fill(struck.world.lab.root)


def freed(struck: Struck) -> None:
    (struck.world.lab.root / "filler").unlink()


RELEASE = ("release", NAME, "--set-aside")
ACCIDENTS = (
    Accident(
        "not-mounted",
        "a data disk of the target is not mounted",
        "held something before and is an empty folder now",
        unmounted,
        remounted,
        prepare=mounted,
    ),
    Accident(
        "emptied", "a source path is empty", "held something before and is an empty folder now", emptied, put_back
    ),
    Accident("linked", "a source path became a link", "is a link to", linked, put_back),
    Accident(
        "another-kind", "a source path became a file", "was a folder before and is a file now", another_kind, put_back
    ),
    Accident("excluded", "`Excludes` cover a source path", "Excludes cover", excluded, included),
    Accident("shrunk", "most files of a source are gone", "less than 50% of the best", shrunk, put_back),
    Accident(
        "shrinking",
        "a third of the files goes each night",
        "less than 50% of the best",
        shrinking,
        put_back,
        prepare=alone,
    ),
    Accident("cut-off", "a dump is cut off", "less than 50% of the best", cut_off, whole_again, prepare=dumped),
    Accident("encrypted", "all files are encrypted", " are new, at most ", encrypted, command=RELEASE),
    Accident(
        "swapped", "two `[Servers.Connection]` are swapped", "another target", swapped, unswapped, command=RELEASE
    ),
    Accident(
        "full",
        "the disk of the backup server is full to the last byte",
        "no room for a session",
        filled,
        freed,
        prepare=small,
        code=2,
    ),
    Accident(
        "forging",
        "a hostile target forges an odd archive, to have it set aside",
        "less than 50% of the best",
        forging,
        command=RELEASE,
    ),
    Accident(
        "provoking",
        "a hostile target provokes holds until `release --good` is habit, then deletes an archive",
        "1 archive vanished",
        provoking,
        command=("rollback", NAME, "--yes"),
        code=3,
    ),
)
