"""What a backup needs on the target: a shell, borg, socat, the source paths, a clock. A run and `doctor` ask the same.

All answers of the target are untrusted text.
"""

from __future__ import annotations

import re
import time

from .. import ssh
from ..borg.failure import missing_borg
from ..errors import Failure
from ..format import size
from ..retention import Source
from ..untrusted import clean
from . import sudo
from .target_commands import TargetCommand
from .target_scripts import PREFLIGHT

SECONDS = 60.0
_PATH_SECONDS = 0.1
# What a script may print about one party: a line for each source path, and a few more.
MOST_FACTS = 1024 * 1024
# Half of what the guard allows an honest archive.
MOST_CLOCK_OFF = 1800.0
CLOCK_HINT = "set both by NTP (timedatectl set-ntp true): archives are dated by the target's clock"
# Of the arguments of a program Linux counts the pointers too, and allows no more than this however large the stack may
# be (execve(2)). Some room is left for the environment.
_POINTER = 9
_ROOM = 64 * 1024
_MOST_ARGUMENTS = 6 * 1024 * 1024
_LONGEST_PATH = 4096
_LONGEST_LINK = 100
_SOURCE = re.compile(r"([0-9]{1,9}) (folder|file|link|other|unknown) ([01-]) ([01-])(?: (.*))?", re.ASCII | re.DOTALL)
_KNOWN = {"0": False, "1": True, "-": None}


class Facts:
    """The part `facts` of an answer: a word and a value in each line. A word may occur more than once."""

    def __init__(self, answer: ssh.Answer) -> None:
        self._values: dict[str, list[str]] = {}
        for line in answer["facts"].data.decode("utf-8", "replace").split("\n"):
            word, _, value = line.partition(" ")
            self._values.setdefault(word, []).append(clean(value, longest=_LONGEST_PATH))

    def has(self, word: str) -> bool:
        return word in self._values

    def one(self, word: str) -> str:
        """Return the last value of a word, "" without one."""
        return self._values.get(word, [""])[-1]

    def every(self, word: str) -> list[str]:
        return self._values.get(word, [])

    def number(self, word: str) -> int | None:
        """Return the value of a word as a number, None when it is not one."""
        value = self.one(word)
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 15 else None

    def chosen(self, word: str, among: tuple[str, ...]) -> list[str]:
        """Return those of `among` whose indexes are the values of a word."""
        indexes = {int(value) for value in self.every(word) if value.isascii() and value.isdigit() and len(value) <= 9}
        return [each for index, each in enumerate(among) if index in indexes]


class Preflight:
    """What a target answered before `command`. Each `require_...` raises Failure when something would stop it."""

    def __init__(self, party: str, command: TargetCommand, facts: Facts) -> None:
        self.party = party
        self.command = command
        self.target = command.context.target
        self.facts = facts

    @property
    def seen(self) -> str:
        """Return the id of a repository that borg there has seen at the location of this one, "" for none.

        With Sudo it is always "": the memory of root's borg cannot be read.
        """
        return self.facts.one("seen")

    @property
    def sources(self) -> tuple[Source, ...]:
        paths = self.command.sources
        found = [match for value in self.facts.every("source") if (match := _SOURCE.fullmatch(value))]
        return tuple(
            Source(
                path=paths[int(match[1])],
                kind=match[2],
                holds=_KNOWN[match[3]],
                mount=_KNOWN[match[4]],
                leads=clean(match[5] or "", longest=_LONGEST_LINK),
            )
            for match in found
            if int(match[1]) < len(paths)
        )

    @property
    def clock_off(self) -> float | None:
        """Return by how many seconds its clock is ahead of ours, None when it did not say the time."""
        clock = self.facts.number("clock")
        return None if clock is None else clock - time.time()

    def require_borg(self) -> None:
        user, borg = self.command.sudo_user, self.target.borg_path
        if self.facts.has("refused") and user:
            raise sudo.refusal(self.party, user, borg, self.facts.one("refused"))
        if not self.facts.has("borg"):
            raise missing_borg(self.party, borg)

    def require_socat(self) -> None:
        if not self.facts.has("socat"):
            cause = f"socat is not installed there ({self.target.socat_path})"
            raise Failure(self.party, cause, hint="apt install socat, or set SocatPath of this target")
        if odd := clean(self.facts.one("odd"), longest=_LONGEST_LINK):
            hint = "set SocatPath of this target to a link with only letters, digits and `._/+-` in its path"
            raise Failure(self.party, f"the path of its socat is not plain: {odd}", hint=hint)

    def require_sources(self) -> None:
        if self.facts.has("patterns"):
            cause = f"the file of patterns is missing, or this user cannot read it: {clean(self.target.patterns_from)}"
            hint = "PatternsFrom names a file on the target: put it there, or correct PatternsFrom"
            raise Failure(self.party, cause, hint=hint)
        if paths := self.facts.chosen("missing", self.command.sources):
            hint = "mount or restore it, or remove it from SourcePaths"
            if any(letter in path for path in paths for letter in "*?~"):
                first = "`*`, `?` and `~` are not expanded in a path: name the folder above, and use Excludes"
                hint = f"{first}; else {hint}"
            raise Failure(self.party, f"missing, or hidden from this user: {some_of(paths)}", hint=hint)
        needed = sum(len(word.encode()) + _POINTER for word in self.command.words(""))
        limit = self.facts.number("arguments")
        if limit is not None and needed + _ROOM > (limit := min(limit, _MOST_ARGUMENTS)):
            cause = f"SourcePaths and Excludes need {size(needed)}, and its system allows {size(limit)} (ARG_MAX)"
            hint = "name the folder above instead of many in it, and put Excludes into a file there: PatternsFrom"
            raise Failure(self.party, cause, hint=hint)

    def require_clock(self) -> None:
        """Borg dates an archive by the target's clock: with a wrong one it looks like a back-dated archive."""
        off = self.clock_off or 0.0
        if abs(off) > MOST_CLOCK_OFF:
            raise Failure(self.party, clock_words(off), hint=CLOCK_HINT)

    def require_all(self) -> None:
        self.require_borg()
        self.require_socat()
        self.require_sources()
        self.require_clock()


async def ask_preflight(master: ssh.Master, command: TargetCommand, *, versions: bool = False) -> Preflight:
    """Ask the target for what a command needs; with `versions` for those of borg and socat too. Raises Failure."""
    context, patterns = command.context, command.context.target.patterns_from if command.sources else ""
    words = (
        *(context.target.borg_path, sudo.program(command.sudo_user), context.target.socat_path),
        *("versions" if versions else "", patterns, context.repository.location, *command.sources),
    )
    doing = "look at its programs and its source paths"
    seconds = SECONDS + _PATH_SECONDS * len(command.sources)
    answer = await ssh.ask(master, PREFLIGHT, *words, doing=doing, seconds=seconds, most=MOST_FACTS)
    return Preflight(master.party, command, Facts(answer))


def some_of(paths: list[str]) -> str:
    return ", ".join(clean(path) for path in paths[:5]) + (", …" if len(paths) > 5 else "")


def clock_words(off: float) -> str:
    """Return how far the target's clock is off, in words; `off` is in seconds."""
    return f"its clock is {abs(off) / 60:.0f} minutes {'ahead of' if off > 0 else 'behind'} that of this machine"
