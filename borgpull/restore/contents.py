"""What a restore would write: counted and looked at, item by item, before any of it is extracted.

T wrote the archive, and extraction runs on C too, maybe as root. Borg 1.2.4 (and every 1.4 that does not check it)
follows a symbolic link that the archive itself holds: `x -> /etc`, then `x/passwd`; and it takes the source of a hard
link from anywhere. So nothing is extracted when a path leads out of the folder, or through a link.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Failure
from ..results import Item
from ..untrusted import clean

# What stands in a name for letters that are no UTF-8.
UNSURE = "?"
_MOST_NAMED = 3
# Borg's styles of patterns; a path without one stands for itself and all below it.
_STYLES = ("pp:", "pf:", "fm:", "sh:", "re:")


class Contents:
    """The items of an archive that match: how many, how large, and which of them lie at the top."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.items = 0
        self.size = 0
        self.parents: set[str] = set()
        self._folders: set[str] = set()
        self._tops: set[str] = set()
        self._links: set[str] = set()
        self._outside: list[str] = []
        self._unmatched = {pattern: _plain(pattern) for pattern in patterns}

    async def take(self, item: Item) -> None:
        self.items += 1
        self.size += item.size
        self._match(item.path)
        if not is_inside(item.path) or (item.kind == "h" and not is_inside(item.link)):
            self._outside.append(item.path)
            return
        above = list(_above(item.path))
        self.parents.update(above)
        if item.kind == "d":
            self._folders.add(item.path)
        elif item.kind in "lh":
            self._links.add(item.path)
            if item.kind == "h":
                self.parents.update(_above(item.link))
        if not self._folders.intersection(above):
            self._tops.add(item.path)

    def _match(self, path: str) -> None:
        for pattern, plain in list(self._unmatched.items()):
            if plain is not None and (path == plain or path.startswith(f"{plain}/") or not plain):
                del self._unmatched[pattern]

    @property
    def unmatched(self) -> list[str]:
        """Return the patterns that match nothing, as far as can be told: of one with a style borg alone knows."""
        if not self.items:
            return list(self._unmatched)
        return [pattern for pattern, plain in self._unmatched.items() if plain is not None and UNSURE not in pattern]

    @property
    def tops(self) -> list[str]:
        """Return the paths above which nothing of it lies: where none of these is, nothing can be overwritten."""
        return sorted(path for path in self._tops if not self._folders.intersection(_above(path)))

    def refuse_traps(self, party: str, archive: str) -> None:
        """Raise Failure when to extract it could write outside of the folder."""
        traps = self._outside[:_MOST_NAMED] or sorted(self._links & self.parents)[:_MOST_NAMED]
        if traps:
            how = "lead out of the folder" if self._outside else "are links, and have files below them"
            raise Failure(
                party,
                f"the archive {clean(archive)} is a trap: paths in it {how}: {', '.join(map(clean, traps))}",
                hint="nothing was extracted; honest borgs write no such archive: take that target for compromised",
            )


def _plain(pattern: str) -> str | None:
    """Return the path that a pattern without a style stands for, as borg has it; None for any other pattern."""
    if pattern.startswith(_STYLES):
        return None
    shown = pattern.encode("utf-8", "replace").decode()
    return "/".join(part for part in shown.split("/") if part not in ("", "."))


def is_inside(path: str) -> bool:
    """Tell whether a path of an archive stays below the folder that it is extracted into."""
    return path == "." or not any(part in ("", ".", "..") for part in path.split("/"))


def _above(path: str) -> Iterator[str]:
    place = path.find("/")
    while place >= 0:
        yield path[:place]
        place = path.find("/", place + 1)
