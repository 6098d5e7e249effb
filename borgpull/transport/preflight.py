"""What on T stands in the way of a backup, said in one place for the backup itself and for `doctor`."""

from __future__ import annotations

import re

from plumbum.commands.base import BaseCommand

from ..errors import Failure
from ..untrusted import clean

# Half of what the guard grants an honest archive.
MOST_CLOCK_OFF = 1800.0
CLOCK_HINT = "set both by NTP (timedatectl set-ntp true): archives are dated by the target's clock"
# The kernel takes no longer single argument (MAX_ARG_STRLEN), and sshd passes a command on as one.
_LONGEST_COMMAND = 128 * 1024
# Of a length that leaves room for the socket's name: a unix socket's path has 107 bytes (seen on 8.4 to 10.5).
_FOLDER = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,8}/borgpull\.[A-Za-z0-9]{10}")
LONGEST_FOLDER = 100


def refuse_too_long(party: str, command: BaseCommand) -> None:
    """Raise Failure when a command of T's session is longer than sshd can pass on."""
    if len(" ".join(command.formulate(1)).encode()) > _LONGEST_COMMAND:
        raise Failure(party, "SourcePaths and Excludes are longer than 128 KiB together", hint="shorten them")


def agreed_folder(party: str, place: str) -> str:
    """Return the folder that T says it made. Raises Failure when it is none that our script makes."""
    if not _FOLDER.fullmatch(place) or len(place) > LONGEST_FOLDER:
        raise Failure(
            party,
            f"it named a directory that it was not asked for: {clean(place)}",
            hint="look at the shell and the mktemp of that target: they are not what they should be",
        )
    return place


def missing_socat(party: str) -> Failure:
    return Failure(party, "socat is not installed there", hint="apt install socat")


def missing_patterns(party: str, path: str) -> Failure:
    return Failure(
        party,
        f"the file of patterns is not there, or not to be read by this user: {clean(path)}",
        hint="PatternsFrom names a file on the target: put it there, or correct PatternsFrom; nothing was backed up",
    )


def refuse_missing(party: str, paths: list[str], *, so: str = "") -> None:
    """Raise Failure when there are source paths that are not there; `so` are words on what came of it."""
    if paths:
        raise Failure(
            party,
            f"not there, or not to be seen by this user: {some_of(paths)}",
            hint=f"{_why_not_expanded(paths)}mount or restore it, or take it out of SourcePaths{so}",
        )


def _why_not_expanded(paths: list[str]) -> str:
    if not any(letter in path for path in paths for letter in "*?~"):
        return ""
    return "a path stands for itself, `*`, `?` and `~` are not expanded: name the folder above, and use Excludes; else "


def some_of(paths: list[str]) -> str:
    return ", ".join(clean(path) for path in paths[:5]) + (", …" if len(paths) > 5 else "")


def refuse_clock(party: str, off: float) -> None:
    """Raise Failure when T's clock is `off` by too many seconds.

    Borg dates an archive by it; one that is off would be taken for a back-dated archive after the session.
    """
    if abs(off) > MOST_CLOCK_OFF:
        raise Failure(party, clock_words(off), hint=CLOCK_HINT)


def clock_words(off: float) -> str:
    """Return how far T's clock is off, in words; `off` is in seconds."""
    return f"its clock is {abs(off) / 60:.0f} minutes {'ahead of' if off > 0 else 'behind'} that of this machine"
