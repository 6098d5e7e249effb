"""Folders of generated files with awkward names, and the comparison of two folders."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_ODD_NAMES = (
    "two words",
    " spaces at both ends ",
    "it's quoted",
    'say "hello"',
    "$HOME",
    "$(touch oops)",
    "`touch oops`",
    "back\\slash",
    "line\nbreak",
    "tab\tstop",
    "-rf",
    "--exclude=*",
    "*",
    "?[a-z]",
    "semi;colon & more | pipe > file",
    "#comment",
    "~",
    "{one,two}",
    "naïve 日本語 🐢",
    os.fsdecode(b"latin\xe9"),
    "re:pm:looks like a pattern",
    "::archive",
)


def plant(folder: Path, *, files: int = 40, size: int = 20_000) -> None:
    """Fill `folder` with `files` plain files of about `size` bytes, and one of everything that is awkward.

    Names with spaces, quotes, line ends, other scripts, leading dashes and shell words, three kinds of
    symlinks, an empty folder, an empty file, a sparse file, odd modes.
    """
    for number in range(files):
        place = folder / f"folder {number % 5}" / f"{number:04}.dat"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.urandom(size // 2) + b"the same in every file\n" * (size // 46))
    odd = folder / "odd names"
    odd.mkdir(parents=True)
    for name in _ODD_NAMES:
        (odd / name).write_bytes(b"in " + os.fsencode(name))
    _plant_kinds(folder / "kinds")


def _plant_kinds(folder: Path) -> None:
    (folder / "empty folder").mkdir(parents=True)
    (folder / "empty file").touch()
    (folder / "link").symlink_to("../odd names/two words")
    (folder / "broken link").symlink_to("no such\nfile")
    (folder / "link to folder").symlink_to(folder)
    with (folder / "sparse").open("wb") as hole:
        hole.seek(3_000_000)
        hole.write(b"end")
    for mode in (0o600, 0o444, 0o755, 0o000):
        place = folder / f"mode {mode:o}"
        place.write_bytes(b"mode")
        place.chmod(mode if os.getuid() == 0 else mode | 0o400)


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between two folders, a line each: kind, mode, content or link target."""
    there, here = _described(one), _described(other)
    found = []
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            found.append(f"{name!r}: {_brief(there.get(name))} became {_brief(here.get(name))}")
    return found


def _described(folder: Path) -> dict[str, tuple[str, str, bytes]]:
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            place = Path(parent, name)
            found[str(place.relative_to(folder))] = _description(place)
    return found


def _description(place: Path) -> tuple[str, str, bytes]:
    seen = place.lstat().st_mode
    if stat.S_ISLNK(seen):
        return ("link", "", os.fsencode(place.readlink()))
    kind = "folder" if stat.S_ISDIR(seen) else "file" if stat.S_ISREG(seen) else "special"
    return (kind, f"{stat.S_IMODE(seen):o}", place.read_bytes() if kind == "file" else b"")


def _brief(seen: tuple[str, str, bytes] | None) -> str:
    if seen is None:
        return "nothing"
    kind, mode, content = seen
    return f"{kind} {mode} of {len(content)} bytes, {content[:40]!r}"
