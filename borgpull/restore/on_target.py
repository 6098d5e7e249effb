"""What lies on T before a restore, and what after it. T says it, and T is not trusted: it is told, never relied on."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection

from .. import ssh
from ..errors import Failure, UsageError
from ..results import Compared, Item
from ..transport import sudo
from ..untrusted import clean
from .comparison import MOST_DIFFERENCES
from .contents import UNSURE

_SECONDS = 300.0
_MOST_NAMED = 5
_NO_FOLDER = ("file", "link", "other")
# $1 is the folder, empty for /; standard input has the paths that are to be new there, each with a NUL at its end.
_LOOK = (
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
# $1 is the folder; standard input has the paths of plain files. Prints the hash and the path of each, with a NUL, and
# for a last word how xargs ended: it may be too much for a part of an answer.
_HASH = 'cd "${1:-/}" || exit 1; xargs -0 sha256sum --zero; echo "end $?"'
# By the xargs of GNU and of busybox: of some file it could not be done.
_SOME_FAILED = b"end 123"
_HASHED = re.compile(rb"([0-9a-f]{64}) [ *]\./(.+)", re.DOTALL)
# What stands in an answer besides the path.
_AROUND = 70


async def refuse_in_the_way(master: ssh.Master, folder: str, tops: list[str], *, overwrite: bool) -> bool:
    """See that nothing would be overwritten in `folder` on T; returns whether its user is root.

    Without a folder, everything goes back where it was: none of `tops` may be there. Raises UsageError.
    """
    paths = b"".join(top.encode("utf-8", "surrogateescape") + b"\0" for top in tops)
    doing = "see what would be overwritten"
    answer = await ssh.ask(master, _LOOK, folder, doing=doing, stdin=paths, seconds=_SECONDS)
    if not overwrite or answer.text("folder") in _NO_FOLDER:
        _refuse(master.party, folder, answer, [top for top in tops if UNSURE in top])
    return answer.text("user") == "0"


def _refuse(party: str, folder: str, answer: ssh.Answer, unsure: list[str]) -> None:
    way_out = "name a new folder there with `--to DIR`, or add --overwrite: files of the same path are replaced"
    found = answer.text("folder")
    if found in _NO_FOLDER:
        raise UsageError(f"{party}: {clean(folder)} is no folder there", hint="name another one")
    if found == "full":
        raise UsageError(f"{party}: {clean(folder)} is not empty there", hint=way_out)
    if found == "closed":
        raise UsageError(f"{party}: its user may not see whether {clean(folder)} is empty", hint=way_out)
    if folder:
        return
    lines = answer["paths"].data.split(b"\n")
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
    most = _AROUND + sum(len(path) + _AROUND for path in paths)
    asked = b"".join(b"./" + path + b"\0" for path in paths)
    done = await ssh.execute(master, _HASH, folder, stdin=asked, seconds=seconds, most=most)
    *lines, last = done.stdout.removesuffix(b"\n").split(b"\0")
    found = {said[2]: said[1].decode() for line in lines if (said := _HASHED.fullmatch(line))}
    if last not in (b"end 0", _SOME_FAILED) or (paths and not found):
        raise Failure(
            master.party,
            f"its files could not be read again: {clean(done.stderr)}",
            hint="--verify needs `sha256sum --zero` of the GNU coreutils there; what was restored is there",
        )
    return found
