"""The shell scripts that look at a repository and its ledger on the backup server, and what their answers say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection

from .. import ssh
from ..errors import BACKUP_SERVER, Failure
from ..guard import File
from ..untrusted import clean
from .history import read_history
from .record import Ledger, read
from .scripts_lock import LIVES
from .store import SEGMENT, Found, RepositoryStatus, Space

# The name of a state in Grace is the time at which it was kept: such names sort by time.
_KEPT = re.compile(r"[0-9]{4}(?:-[0-9]{2}){2}T[0-9]{2}(?::[0-9]{2}){2}Z", re.ASCII)
_RECORD = re.compile(r"config|nonce|(hints|integrity)\.[0-9]{1,10}", re.ASCII)
# The longest number of a transaction or of kilobytes that is read.
_LONGEST = 15

# refused: names the first of borg's own files in the repository $repo that the login may not read, its owner, and the
# login; false where it may read all. Root, who ran borg there by hand, leaves such files.
_REFUSED = r"""
refused() {
  for f in "$repo" "$repo"/data "$repo"/data/* "$repo"/[chin]* "$@"; do
    [ -e "$f" ] && [ ! -L "$f" ] || continue
    [ -r "$f" ] && { [ ! -d "$f" ] || [ -x "$f" ]; } && continue
    at=${f#"$repo"}
    say refused "$(stat -c %U -- "$f"; id -un; printf %s "$repo/${at#/}")"
    return
  done
  return 1
}
"""

# What lies in a repository $1 and beside it, in the folder $2 of its ledger; without one, whether there ever was any,
# by the folder of ids $4. Of hints only the first $3 bytes are of use: their shadow index grows with each object ever
# pruned. The names of the segments come as they are. Of the segment that the last transaction ends with, a few bytes
# tell whether it is whole: one byte more than a commit alone has.
LOOK = (
    _REFUSED
    + r"""
repo=$1 led=$2 most=$3
text ledger "$led/ledger.json"
[ "$kind" != nothing ] || { kind "$4" && say ids "$kind"; } || exit 1
kind "$led/given-up" || exit 1
say given-up "$kind"
kind "$repo" || exit 1
say repository "$kind"
[ "$kind" = folder ] || exit 0
! refused || exit 0
cd "$repo" || exit 1
kind data || exit 1
case $kind in
  folder) part segments find data -type f || exit 1 ;;
  nothing) say segments "" ;;
  *) say odd "$kind"; exit 0 ;;
esac
part names ls -a || exit 1
set -f
names=$_said last=
for f in $names; do
  case $f in
    *.tmp) ;;
    config | nonce | hints.* | integrity.*) file "$f" "$f" "$most" || exit 1 ;;
  esac
  case $f in hints.*[!0-9]*) ;; hints.*) last="$last data/*/${f#hints.}" ;; esac
done
set +f
! refused $last || exit 0
for f in $last; do file "last.${f##*/}" "$f" 18 || exit 1; done
"""
)

# Whether there ever was a ledger below RootDir $1; with $2, whether that is a mount point: busybox says no with 1,
# util-linux with 32.
ROOT = r"""
kind "$1/.borgpull/.borgpull/ids" || exit 1
say ledgers "$kind"
if [ -n "$2" ]; then
  mountpoint -q "$1" && r=0 || r=$?
  case $r in
    0) ;;
    1 | 32) say unmounted "" ;;
    *) exit 1 ;;
  esac
fi
"""

# Says the id of the file system of $1, how many blocks it has and has free, and their size; nothing where it has none.
SPACE = r"""
space() {
  _r=0
  _said=$(stat -f -c '%i %b %a %S' -- "$1" 2>&1) || _r=$?
  case $_r,$_said in
    0,*) say space "$_said" ;;
    1,*"ot supported"* | 1,*"not implemented"* | 1,*option*) say space "" ;;
    *) printf '%s\n' "$_said" >&2; return 1 ;;
  esac
}
"""

# What can be seen without opening the repository. It takes no lock and waits for nobody. What takes its time comes
# first, so that lock, transaction and ledger are those of one moment. What is being worked on cannot be measured.
SURVEY = (
    LIVES
    + SPACE
    + _REFUSED
    + r"""
repo=$1 led=$2 most=$3 held= grace=
holder() { owner; [ -n "$owner" ] && busy && held=${owner#* }; }
measure() { part kilobytes du -sk -- "$repo" ${grace:+"$grace"}; }
kind "$led/grace" || exit 1
[ "$kind" != folder ] || grace=$led/grace
kind "$repo" || exit 1
say repository "$kind"
[ "$kind" != folder ] || ! refused || exit 0
[ "$kind" = nothing ] || space "$repo" || exit 1
[ "$kind" = nothing ] || holder || measure || { holder && say kilobytes ""; } || exit 1
! holder || say held "$held"
[ "$kind" != folder ] || part names ls -a -- "$repo" || exit 1
[ -z "$grace" ] || part grace ls "$grace" || exit 1
text ledger "$led/ledger.json"
kind "$led/history" || exit 1
[ "$kind" = folder ] || exit 0
part entries ls "$led/history" || exit 1
set -- $_said
[ "$#" -le "$most" ] || shift "$(($# - most))"
cd "$led/history" || exit 1
[ "$#" -eq 0 ] || part history cat "$@"
"""
)

# The newest $1 entries of the history of each ledger whose folder is on standard input, by its place there.
HISTORIES = r"""
newest() {
  cd "$1/history" || return
  _most=$2 _names=$(ls) || return
  set -- $_names
  [ "$#" -le "$_most" ] || shift "$(($# - _most))"
  [ "$#" -eq 0 ] || cat "$@"
}
n=0
while IFS= read -r led; do
  kind "$led/history" || exit 1
  [ "$kind" != folder ] || part "history.$n" newest "$led" "$1" || exit 1
  n=$((n + 1))
done
"""

# What a rollback could use: the segments in the snapshot, or else those that are still in the repository.
SEGMENTS = r"""
repo=$1 led=$2
kind "$led/snapshot/data" || exit 1
if [ "$kind" = folder ]; then
  say linked
  part segments find "$led/snapshot/data" -type f
else
  kind "$repo/data" || exit 1
  [ "$kind" != folder ] || part segments find "$repo/data" -type f
fi
"""

# What the borg $1 says of its version, or why it cannot.
VERSION = r"""
command -v "$1" >/dev/null || { say missing ""; exit 0; }
version() { "$1" --version 2>&1 | sed -n '$p'; }
part version version "$1" </dev/null
"""

# The folders of all ledgers that there ever were, by the folder of ids $1; one that is being written is not whole.
PLACES = r"""
kind "$1" || exit 1
case $kind in
  folder) part places find "$1" -type f ! -name '*.new' -exec cat {} + || exit 1 ;;
  *) say places "" ;;
esac
"""

# Which of the folders on standard input have a ledger now that contains $1 or $2; empty for any.
LEDGERS = r"""
found=$(
  while IFS= read -r led; do
    kind "$led/ledger.json" || exit 1
    [ "$kind" = file ] || continue
    n=$(grep -cF -e "$1" -e "$2" "$led/ledger.json") || :
    case $n in 0) ;; [1-9]*) printf '%s\n' "$led" ;; *) exit 1 ;; esac
  done
) || exit 1
say ledgers "$found"
"""


def read_found(answer: ssh.Answer) -> Found:
    """Read the answer of the script LOOK. Raises Incomplete."""
    known, damage = _ledger(answer)
    there = answer["repository"].data
    # What was not listed was not there, but a list there has to be.
    if odd := answer.text("odd"):
        raise Failure(
            BACKUP_SERVER,
            f"the `data` of its repository is no folder: {odd}",
            hint="mount the disk there that holds it, or move the whole repository: no proof follows a link",
        )
    listed = answer["names"].data if there == b"folder" else b""
    named = {name for name in listed.decode("ascii", "replace").split() if _RECORD.fullmatch(name)}
    return Found(
        repository=there != b"nothing",
        ledger=known,
        unreadable=damage,
        files={name: _file(answer, name) for name in sorted(named)}
        | {name: File(plain=True, data=part.data) for name, part in answer.parts.items() if name.startswith("last.")},
        numbers=answer["segments"].data if there == b"folder" else b"",
        given_up=answer.text("given-up") == "file",
        is_first=answer.text("ids") == "nothing",
    )


def lines_of(answer: ssh.Answer, name: str) -> list[str]:
    return [line for line in answer[name].data.decode("utf-8", "surrogateescape").split("\n") if line]


def _file(answer: ssh.Answer, name: str) -> File:
    part = answer[name]
    if part.kind == "nothing":
        raise ssh.Incomplete(f"{name} went while it looked")
    return File(plain=part.kind == "file", data=part.data)


def refused_file(answer: ssh.Answer, repository: str) -> Failure | None:
    """Return that the login may not read a file of its `repository`; None where it may read all of borg's records."""
    if "refused" not in answer.parts:
        return None
    said = answer["refused"].data.decode("utf-8", "replace").split("\n", 2)
    owner, login, path = (clean(line) for line in [*said, "", ""][:3])
    command = shlex.join(["chown", "-R", f"{login}:", repository])
    return Failure(
        BACKUP_SERVER,
        f"{login} may not read {path}, which belongs to {owner}: somebody used borg there by hand",
        hint=f"nothing was changed; on the backup server, as root: `{command}`",
    )


def read_status(answer: ssh.Answer) -> RepositoryStatus:
    """Read the answer of the script SURVEY. Raises Incomplete."""
    known, damage = _ledger(answer)
    there = answer["repository"].data
    names = answer["names"].data.decode("ascii", "replace").split() if there == b"folder" else []
    numbers = [number_of(name.removeprefix("hints.")) for name in names if name.startswith("hints.")]
    size, beside = (None if kilobytes is None else kilobytes * 1024 for kilobytes in _kilobytes(answer))
    return RepositoryStatus(
        repository=there != b"nothing",
        size=size,
        grace=names_in_grace(answer),
        grace_size=beside,
        transaction=max((number for number in numbers if number is not None), default=None),
        holder=answer.text("held"),
        space=read_space(answer),
        ledger=known,
        unreadable=damage,
        history=read_history(answer.parts["history"].data) if "history" in answer.parts else (),
    )


def _kilobytes(answer: ssh.Answer) -> tuple[int | None, int | None]:
    """Return what `du` counted of the repository, and of Grace what it does not share with it."""
    said = answer.parts["kilobytes"].data if "kilobytes" in answer.parts else b""
    lines = [*said.decode("ascii", "replace").splitlines(), "", ""]
    return number_of(lines[0].split("\t")[0]), number_of(lines[1].split("\t")[0])


def names_in_grace(answer: ssh.Answer) -> tuple[str, ...]:
    names = answer.parts["grace"].data.decode("ascii", "replace").split() if "grace" in answer.parts else []
    return tuple(sorted(name for name in names if _KEPT.fullmatch(name)))


def read_segments(answer: ssh.Answer, wanted: Collection[int]) -> tuple[set[int], bool]:
    """Read the answer of the script SEGMENTS; only what is wanted is kept, however many files there are."""
    said = answer.parts["segments"].data if "segments" in answer.parts else b""
    there = {number for name in SEGMENT.finditer(said) if (number := int(name[0])) in wanted}
    return there, "linked" in answer.parts


def _ledger(answer: ssh.Answer) -> tuple[Ledger | None, str]:
    part = answer["ledger"]
    if part.kind == "nothing":
        return None, ""
    return read(part.data) if part.kind == "text" else (None, f"it is no file: {part.kind}")


def read_space(answer: ssh.Answer) -> Space | None:
    """Read what is free and how large the index is; a file system without figures says that it has no block at all."""
    disk, _, said = answer.text("space").partition(" ")
    match [number_of(word) for word in said.split()]:
        case [int(blocks), int(free), int(size)] if blocks:
            return Space(disk=disk, free=free * size, index=number_of(answer.text("index").strip()) or 0)
    return None


def number_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST else None
