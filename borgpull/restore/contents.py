"""What a restore would write: counted and looked at, item by item, and what would be in its way.

The target wrote the archive, and extraction runs on the controller too, maybe as root. Borg 1.2.4 (and every 1.4 that
does not check it) follows a symbolic link that the archive itself holds: `x -> /etc`, then `x/passwd`; and it takes the
source of a hard link from anywhere. So nothing is extracted when a path leads out of the folder, or through a link.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .. import ssh
from ..errors import Failure, UsageError, first_few
from ..results import Item
from ..transport import sudo
from ..untrusted import clean

# What a name has in place of letters that are no UTF-8.
UNSURE = "?"
_MOST_NAMED = 3
# Borg's styles of patterns; a path without one means itself and all below it.
STYLES = ("pp:", "pf:", "fm:", "sh:", "re:")
_SECONDS = 300.0
_NO_FOLDER = ("file", "link", "other")
# $1 is the folder, empty for /; standard input has the paths that are to be new there, each with a NUL at its end.
_IN_THE_WAY = (
    r"""
part user id -u || exit 1
if [ -z "$1" ]; then
  cd / && part paths xargs -0 sh -c '"""
    + sudo.HIDDEN
    + r"""
for p do
  if [ -e "./$p" ] || [ -L "./$p" ]; then printf "there %s\n" "$p"
  elif hidden "./$p"; then printf "hidden %s\n" "$p"; fi
done' sh
elif [ ! -d "$1" ]; then
  kind "$1" || exit 1
  say folder "$kind"
elif [ ! -r "$1" ]; then say folder closed
else
  in=$(ls -A -- "$1") || exit 1
  say folder "${in:+full}"
fi
"""
)


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

    async def add(self, item: Item) -> None:
        self.items += 1
        self.size += item.size
        for pattern, plain in list(self._unmatched.items()):
            if plain is not None and (item.path == plain or item.path.startswith(f"{plain}/") or not plain):
                del self._unmatched[pattern]
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

    @property
    def unmatched(self) -> list[str]:
        """Return the patterns that match nothing, as far as is known: of one with a style only borg knows."""
        if not self.items:
            return list(self._unmatched)
        return [pattern for pattern, plain in self._unmatched.items() if plain is not None and UNSURE not in pattern]

    @property
    def tops(self) -> list[str]:
        """Return the topmost paths: where none of these is there, nothing can be overwritten."""
        return sorted(path for path in self._tops if not self._folders.intersection(_above(path)))

    def refuse_traps(self, party: str, archive: str) -> None:
        """Raise Failure when extracting it could write outside of the folder."""
        traps = self._outside[:_MOST_NAMED] or sorted(self._links & self.parents)[:_MOST_NAMED]
        if traps:
            how = "lead out of the folder" if self._outside else "are links, and have files below them"
            raise Failure(
                party,
                f"the archive {clean(archive)} is a trap: paths in it {how}: {', '.join(map(clean, traps))}",
                hint="nothing was extracted; honest borgs write no such archive: treat that target as compromised",
            )


def _plain(pattern: str) -> str | None:
    """Return the path that a pattern without a style means, as borg has it; None for any other pattern."""
    if pattern.startswith(STYLES):
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


def refuse_on_controller(folder: Path, contents: Contents, *, overwrite: bool) -> None:
    """Raise UsageError where something on the controller is in the way."""
    try:
        if not folder.is_dir() and (folder.exists() or folder.is_symlink()):
            raise UsageError(f"{folder} is no folder", hint="name another one; it is made if need be")
        full = folder.is_dir() and next(folder.iterdir(), None) is not None
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", hint="name another folder") from None
    if full and not overwrite:
        raise UsageError(
            f"{folder} is not empty, and nothing is overwritten without --overwrite",
            hint="name a new folder, or add --overwrite: files of the same path are replaced, others stay",
        )
    # Only where it is not empty; borg 1.2.4 would write through them.
    linked = next((path for path in sorted(contents.parents) if (folder / path).is_symlink()), None)
    if linked is not None:
        raise UsageError(
            f"{folder / clean(linked)} is a symbolic link, and files would be written through it",
            hint="name a new folder, or remove that link first",
        )


async def refuse_on_target(master: ssh.Master, folder: str, contents: Contents, *, overwrite: bool) -> bool:
    """Raise UsageError where something on the target is in the way; return whether its user is root.

    Without a folder, everything goes back where it was, and none of its topmost paths may be there. It is the target's
    word, and no more.
    """
    tops = contents.tops
    paths = b"".join(top.encode("utf-8", "surrogateescape") + b"\0" for top in tops)
    doing = "see what would be overwritten"
    answer = await ssh.ask(master, _IN_THE_WAY, folder, doing=doing, stdin=paths, seconds=_SECONDS)
    found = answer.text("folder")
    if found in _NO_FOLDER:
        raise UsageError(f"{master.party}: {clean(folder)} is no folder there", hint="name another one")
    if not overwrite and (why := _in_the_way(folder, found, answer, [top for top in tops if UNSURE in top])):
        hint = "name a new folder there with `--to DIR`, or add --overwrite: files of the same path are replaced"
        raise UsageError(f"{master.party}: {why}", hint=hint)
    return answer.text("user") == "0"


def _in_the_way(folder: str, found: str, answer: ssh.Answer, unsure: list[str]) -> str:
    if folder:
        shown = clean(folder)
        words = {"full": f"{shown} is not empty there", "closed": f"its user may not see whether {shown} is empty"}
        return words.get(found, "")
    lines = answer["paths"].data.split(b"\n")
    if there := [clean(line[6:]) for line in lines if line.startswith(b"there ")]:
        return f"there already: {first_few(there)}"
    if hidden := [clean(line[7:]) for line in lines if line.startswith(b"hidden ")]:
        return f"its user may not see whether {hidden[0]} is there already"
    if unsure:
        return f"could not tell whether {clean(unsure[0])} is there: its name is no UTF-8, or has a ? in it"
    return ""
