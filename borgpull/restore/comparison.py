"""What was restored, read again and compared with what the archive itself says of it.

On the controller: content by SHA-256, kind, mode, time, links; owners where this process may set them; not xattrs and
ACLs, of which `borg list` says nothing. On the target: content alone, and by the target's word: that finds a bad
disk, not a bad host.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import hashlib
import os
import pwd
import re
import stat
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from .. import ssh
from ..errors import Failure, plural
from ..results import Compared, Item
from ..untrusted import clean
from .contents import UNSURE

_MOST_DIFFERENCES = 20
_KINDS = {"d": stat.S_ISDIR, "l": stat.S_ISLNK, "p": stat.S_ISFIFO, "c": stat.S_ISCHR, "b": stat.S_ISBLK}
# $1 is the folder; standard input has the paths of plain files. Prints the hash and the path of each, with a NUL, and
# for a last word how xargs ended: it may be too much for a part of an answer.
_HASH = 'cd "${1:-/}" || exit 1; xargs -0 sha256sum --zero; echo "end $?"'
# By the xargs of GNU and of busybox: of some file it could not be done.
_SOME_FAILED = b"end 123"
_HASHED = re.compile(rb"([0-9a-f]{64}) [ *]\./(.+)", re.DOTALL)
# What an answer has besides the path.
_AROUND = 70


class Comparison:
    """How many items are as the archive says, how many are not, and the first differences in words."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._differences: list[str] = []

    @property
    def result(self) -> Compared:
        return Compared(**self._counts, differences=tuple(self._differences))

    def count(self, path: str, differs: str | None) -> None:
        """Count an item that differs as the words say; empty if it does not, None if that is unknown."""
        self._counts["unsure" if differs is None else "different" if differs else "same"] += 1
        if differs and len(self._differences) < _MOST_DIFFERENCES:
            self._differences.append(f"{clean(path)}: {differs}")


class TargetComparison(Comparison):
    """Plain files, and what the target says of their content."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: dict[bytes, Item] = {}

    async def add(self, item: Item) -> None:
        if item.kind == "-" and UNSURE in item.path:
            self.count(item.path, None)
        elif item.kind == "-":
            self._wanted[item.path.encode()] = item

    async def read_back(self, master: ssh.Master, folder: str, *, seconds: float) -> None:
        """Have the target hash the files that were added. Raises Failure when it hashes none at all."""
        most = _AROUND + sum(len(path) + _AROUND for path in self._wanted)
        paths = b"".join(b"./" + path + b"\0" for path in self._wanted)
        done = await ssh.execute(master, _HASH, folder, stdin=paths, seconds=seconds, most=most)
        *lines, last = done.stdout.removesuffix(b"\n").split(b"\0")
        found = {said[2]: said[1].decode() for line in lines if (said := _HASHED.fullmatch(line))}
        if last not in (b"end 0", _SOME_FAILED) or (self._wanted and not found):
            raise Failure(
                master.party,
                f"could not read its files again: {clean(done.stderr)}",
                hint="--verify needs `sha256sum --zero` of the GNU coreutils there; what was restored is there",
            )
        for path, item in self._wanted.items():
            missing = "" if path in found else "it is not there, or cannot be read"
            self.count(item.path, missing or ("" if found[path] == item.sha256 else "its content is another"))


class ControllerComparison(Comparison):
    """Items, and what lies in `folder`. `numeric_ids` as in the extraction."""

    def __init__(self, folder: Path, *, numeric_ids: bool) -> None:
        super().__init__()
        self._folder = folder
        self._numeric_ids = numeric_ids
        self._unsure_places: dict[str, list[Path]] | None = None

    async def add(self, item: Item) -> None:
        # A file may take minutes to read: signals must be handled meanwhile.
        self.count(item.path, await asyncio.to_thread(self._differs, item))

    def _differs(self, item: Item) -> str | None:
        """Return how an item differs in words, empty when it does not, None when that is unknown."""
        try:
            if UNSURE not in item.path:
                return self._differs_at(item, self._folder / item.path)
            found = self._places(item.path)
            said = [self._differs_at(item, place) for place in found]
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

    def _differs_at(self, item: Item, place: Path) -> str | None:
        seen = place.lstat()
        if item.kind == "h":
            return self._same_file(item, seen)
        is_of_kind = _KINDS.get(item.kind, stat.S_ISREG)
        if not is_of_kind(seen.st_mode):
            return "it is of another kind"
        if item.kind == "l":
            return "" if _listed(str(place.readlink())) == item.link else "it leads elsewhere"
        return self._attributes(item, seen) or (_content(item, place, seen) if item.kind == "-" else "")

    def _attributes(self, item: Item, seen: os.stat_result) -> str:
        mode = stat.filemode(seen.st_mode)
        if mode[1:] != item.mode[1:]:
            return f"its mode is {mode}, not {item.mode}"
        if os.geteuid() == 0 and (seen.st_uid, seen.st_gid) != self._owner(item):
            return f"it belongs to {seen.st_uid}:{seen.st_gid}, not {':'.join(map(str, self._owner(item)))}"
        if abs(seen.st_mtime_ns // 1000 - _microseconds(item.modified)) > 1:
            return f"its time is not {clean(item.modified)}"
        return ""

    def _same_file(self, item: Item, seen: os.stat_result) -> str | None:
        with contextlib.suppress(OSError):
            first = (self._folder / item.link).lstat()
            return "" if (first.st_ino, first.st_dev) == (seen.st_ino, seen.st_dev) else "it is no hard link any more"
        # The item that holds the content was not restored: borg's list has nothing of that of the others.
        return None

    def _owner(self, item: Item) -> tuple[int, int]:
        if self._numeric_ids:
            return item.uid, item.gid
        return _id(pwd.getpwnam, item.user, item.uid), _id(grp.getgrnam, item.group, item.gid)


def _content(item: Item, place: Path, seen: os.stat_result) -> str:
    if seen.st_size != item.size:
        return f"it has {plural(seen.st_size, 'byte')}, not {item.size}"
    with place.open("rb") as file:
        return "" if hashlib.file_digest(file, "sha256").hexdigest() == item.sha256 else "its content is another"


def _listed(path: str) -> str:
    return path.encode("utf-8", "replace").decode()


def _microseconds(modified: str) -> int:
    try:
        moment = datetime.fromisoformat(modified).replace(tzinfo=UTC)
    except ValueError:
        return -1
    return round(moment.timestamp() * 1_000_000)


@cache
def _id(entry_of: Callable[[str], tuple[Any, ...]], name: str, number: int) -> int:
    """Return the id in the entry of a user or a group, `number` where this machine does not know the name."""
    with contextlib.suppress(KeyError, ValueError):
        return int(entry_of(name)[2])
    return number
