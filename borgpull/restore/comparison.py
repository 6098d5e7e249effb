"""What was restored on C, read again and compared with what the archive itself says of it.

Content by SHA-256, kind, mode, time, links; owners where this process may set them. Not compared: xattrs and ACLs, of
which `borg list` tells nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ..results import Compared, Item
from ..untrusted import clean
from .contents import UNSURE

MOST_DIFFERENCES = 20
_KINDS = {"d": stat.S_ISDIR, "l": stat.S_ISLNK, "p": stat.S_ISFIFO, "c": stat.S_ISCHR, "b": stat.S_ISBLK}
_BITS = {"r": 1, "w": 1, "x": 1, "s": 1, "t": 1, "-": 0, "S": 0, "T": 0}


class Comparison:
    """Items, one after the other, and what lies in `folder`. `numeric_ids` as in the extraction."""

    def __init__(self, folder: Path, *, numeric_ids: bool) -> None:
        self._folder = folder
        self._numeric_ids = numeric_ids
        self._same = self._different = self._unsure = 0
        self._differences: list[str] = []
        self._unsure_places: dict[str, list[Path]] | None = None

    @property
    def result(self) -> Compared:
        return Compared(
            same=self._same, different=self._different, unsure=self._unsure, differences=tuple(self._differences)
        )

    async def take(self, item: Item) -> None:
        # A file may take minutes to read: signals shall be heard meanwhile.
        differs = await asyncio.to_thread(self._differs, item)
        if differs is None:
            self._unsure += 1
        elif not differs:
            self._same += 1
        else:
            self._different += 1
            if len(self._differences) < MOST_DIFFERENCES:
                self._differences.append(f"{clean(item.path)}: {differs}")

    def _differs(self, item: Item) -> str | None:
        """Return how an item differs in words, empty when it does not, None when that cannot be told."""
        try:
            if UNSURE not in item.path:
                return self._look(item, self._folder / item.path)
            found = self._places(item.path)
            said = [self._look(item, place) for place in found]
            return "" if "" in said else said[0] if said else "it is not there"
        except FileNotFoundError:
            return "it is not there"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"

    def _places(self, path: str) -> list[Path]:
        # Borg's list has "?" for each byte of a name that is no UTF-8; only the disk has the name itself.
        if self._unsure_places is None:
            self._unsure_places = {}
            for parent, folders, files in os.walk(self._folder):
                for name in (*folders, *files):
                    place = Path(parent, name)
                    shown = _listed(str(place.relative_to(self._folder)))
                    if UNSURE in shown:
                        self._unsure_places.setdefault(shown, []).append(place)
        return self._unsure_places.get(path, [])

    def _look(self, item: Item, place: Path) -> str | None:
        seen = place.lstat()
        if item.kind == "h":
            return self._same_file(item, seen)
        is_of_kind = _KINDS.get(item.kind, stat.S_ISREG)
        if not is_of_kind(seen.st_mode):
            return "it is of another kind"
        if item.kind == "l":
            return "" if _listed(str(place.readlink())) == item.link else "it leads elsewhere"
        return self._attributes(item, seen) or (self._content(item, place, seen) if item.kind == "-" else "")

    def _attributes(self, item: Item, seen: os.stat_result) -> str:
        if stat.S_IMODE(seen.st_mode) != _mode(item.mode):
            return f"its mode is {stat.filemode(seen.st_mode)}, not {item.mode}"
        if os.geteuid() == 0 and (seen.st_uid, seen.st_gid) != self._owner(item):
            return f"it belongs to {seen.st_uid}:{seen.st_gid}, not {':'.join(map(str, self._owner(item)))}"
        if abs(seen.st_mtime_ns // 1000 - _microseconds(item.modified)) > 1:
            return f"its time is not {clean(item.modified)}"
        return ""

    @staticmethod
    def _content(item: Item, place: Path, seen: os.stat_result) -> str:
        if seen.st_size != item.size:
            return f"it has {seen.st_size} bytes, not {item.size}"
        with place.open("rb") as file:
            return "" if hashlib.file_digest(file, "sha256").hexdigest() == item.sha256 else "its content is another"

    def _same_file(self, item: Item, seen: os.stat_result) -> str | None:
        with contextlib.suppress(OSError):
            first = (self._folder / item.link).lstat()
            return "" if (first.st_ino, first.st_dev) == (seen.st_ino, seen.st_dev) else "it is no hard link any more"
        # The item that holds the content was not restored: borg's list says nothing of that of the others.
        return None

    def _owner(self, item: Item) -> tuple[int, int]:
        if self._numeric_ids:
            return item.uid, item.gid
        return _id(pwd.getpwnam, item.user, item.uid), _id(grp.getgrnam, item.group, item.gid)


def _listed(path: str) -> str:
    return path.encode("utf-8", "replace").decode()


def _mode(word: str) -> int:
    letters = word[1:10]
    bits = int("".join(str(_BITS.get(letter, 0)) for letter in letters) or "0", 2)
    extra = ((2, "sS", stat.S_ISUID), (5, "sS", stat.S_ISGID), (8, "tT", stat.S_ISVTX))
    return bits | sum(bit for place, marks, bit in extra if word[1 + place : 2 + place] in set(marks))


def _microseconds(modified: str) -> int:
    try:
        moment = datetime.fromisoformat(modified).replace(tzinfo=UTC)
    except ValueError:
        return -1
    return round(moment.timestamp() * 1_000_000)


@cache
def _id(entry_of: Callable[[str], tuple[Any, ...]], name: str, number: int) -> int:
    """Return the id in the entry of a user or a group, `number` where this machine does not know the name."""
    try:
        found: int = entry_of(name)[2]
    except (KeyError, ValueError):
        return number
    return found
