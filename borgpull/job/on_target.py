"""What lies on T before a restore, and what after it. T says it, and T is not trusted: it is told, never relied on."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection

from .. import ssh
from ..answers import Compared, Item
from ..errors import Failure, UsageError
from ..hostile import clean
from ..road import as_root
from .compare import MOST_DIFFERENCES
from .contents import UNSURE

_SECONDS = 300.0
_MOST_NAMED = 5
_MOST_SAID = 64 * 1024
# $1 is the folder, empty for /; standard input has the paths that are to be new there, each with a NUL at its end.
_LOOK = (
    r"""
echo "user $(id -u)"
if [ -n "$1" ]; then
  if [ -d "$1" ] && [ ! -r "$1" ]; then echo closed
  elif [ -d "$1" ]; then [ -z "$(ls -A "$1" | head -n 1)" ] || echo full
  elif [ -e "$1" ] || [ -L "$1" ]; then echo file; fi
  cat >/dev/null
else
  cd / && xargs -0 sh -c '"""
    + as_root.HIDDEN
    + r"""
for p do
  if [ -e "./$p" ] || [ -L "./$p" ]; then printf "there %s\n" "$p"
  elif hidden "./$p"; then printf "hidden %s\n" "$p"; fi
done' sh || exit 1
fi
echo end
"""
)
# $1 is the folder; standard input has the paths of plain files. Prints the hash and the path of each, with a NUL.
_HASH = 'cd "${1:-/}" && exec xargs -0 sha256sum --zero'
_HASHED = re.compile(rb"([0-9a-f]{64}) [ *]\./(.+)", re.DOTALL)
# What stands in an answer besides the path.
_AROUND = 70


async def refuse_in_the_way(master: ssh.Master, folder: str, tops: list[str], *, overwrite: bool) -> bool:
    """See that nothing would be overwritten in `folder` on T; returns whether its user is root.

    Without a folder, everything goes back where it was: none of `tops` may be there. Raises UsageError.
    """
    done = await ssh.execute(
        master,
        _LOOK,
        folder,
        stdin=b"".join(top.encode("utf-8", "surrogateescape") + b"\0" for top in tops),
        seconds=_SECONDS,
        most=_MOST_SAID,
    )
    lines = done.stdout.split(b"\n")
    if b"end" not in lines and not done.truncated:
        raise Failure(
            master.party,
            f"it cannot be seen what would be overwritten there: {clean(done.stderr)}",
            hint="log in there and type `xargs --version` and `ls /`",
        )
    if not overwrite or b"file" in lines:
        _refuse(master.party, folder, lines, [top for top in tops if UNSURE in top])
    return b"user 0" in lines


def _refuse(party: str, folder: str, lines: list[bytes], unsure: list[str]) -> None:
    way_out = "name a new folder there with `--to DIR`, or add --overwrite: files of the same path are replaced"
    if folder:
        if b"file" in lines:
            raise UsageError(f"{party}: {clean(folder)} is no folder there", hint="name another one")
        if b"full" in lines:
            raise UsageError(f"{party}: {clean(folder)} is not empty there", hint=way_out)
        if b"closed" in lines:
            raise UsageError(f"{party}: its user may not see whether {clean(folder)} is empty", hint=way_out)
        return
    there = [clean(line[6:]) for line in lines if line.startswith(b"there ")]
    if there:
        more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
        raise UsageError(f"{party}: there already: {', '.join(there[:_MOST_NAMED])}{more}", hint=way_out)
    hidden = next((clean(line[7:]) for line in lines if line.startswith(b"hidden ")), None)
    if hidden:
        raise UsageError(f"{party}: its user may not see whether {hidden} is there already", hint=way_out)
    if unsure:
        raise UsageError(
            f"{party}: it cannot be told whether {clean(unsure[0])} is there: its name is no UTF-8, or has a ? in it",
            hint=way_out,
        )


async def compare_on_target(
    master: ssh.Master,
    folder: str,
    each: Callable[[Callable[[Item], Awaitable[None]]], Awaitable[None]],
    *,
    seconds: float,
) -> Compared:
    """Have T hash the plain files that were restored there; `each` gives the items of the archive, with their hashes.

    It may take `seconds`. It is T's word: it tells of a bad disk, not of a bad host. Raises Failure.
    """
    wanted: dict[bytes, str] = {}
    unsure = 0

    async def take(item: Item) -> None:
        nonlocal unsure
        if item.kind == "-" and UNSURE in item.path:
            unsure += 1
        elif item.kind == "-":
            wanted[item.path.encode()] = item.sha256

    await each(take)
    found = await _hashes(master, folder, wanted, seconds=seconds)
    return _compared(wanted, found, unsure)


def _compared(wanted: dict[bytes, str], found: dict[bytes, str], unsure: int) -> Compared:
    differences = [
        f"{clean(path)}: {'its content is another' if path in found else 'it is not there, or cannot be read'}"
        for path, sha256 in wanted.items()
        if found.get(path) != sha256
    ]
    return Compared(
        same=len(wanted) - len(differences),
        different=len(differences),
        unsure=unsure,
        differences=tuple(differences[:MOST_DIFFERENCES]),
    )


async def _hashes(master: ssh.Master, folder: str, paths: Collection[bytes], *, seconds: float) -> dict[bytes, str]:
    """Return the SHA-256 of each of these files as T says it. Raises Failure when it says none at all."""
    most = sum(len(path) + _AROUND for path in paths)
    asked = b"".join(b"./" + path + b"\0" for path in paths)
    done = await ssh.execute(master, _HASH, folder, stdin=asked, seconds=seconds, most=most)
    found = {said[2]: said[1].decode() for line in done.stdout.split(b"\0") if (said := _HASHED.fullmatch(line))}
    if paths and not found:
        raise Failure(
            master.party,
            f"its files could not be read again: {clean(done.stderr)}",
            hint="--verify needs `sha256sum --zero` of the GNU coreutils there; what was restored is there",
        )
    return found
