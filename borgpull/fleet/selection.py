"""Which targets of a config a command is about: by name, by glob, and by shard. Pure.

A word that fits no target is an error and never an empty run: a misspelt name must not look like a backup.

Several controllers may share one config, each with a shard of its targets. Which target is whose follows from its name
alone, by rendezvous hashing: the controllers need not know of each other, and one more of them takes over only the
targets that will be its own. The hash is a promise: another one would move nearly every target.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import unicodedata
from dataclasses import dataclass

from ..config import Config, Target
from ..errors import UsageError, first_few

_MOST_NAMED = 20
MOST_SHARDS = 1000
_FORM = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True)
class Shard:
    """Number `index` of `count` shards, from 0, as Kubernetes counts the pods of an Indexed Job."""

    index: int
    count: int

    def has(self, name: str) -> bool:
        return shard_of(name, self.count) == self.index


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The targets that a word of `only` fits (all, without one), less those of `skip`, less those of other shards."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    shard: Shard | None = None

    def targets(self, config: Config) -> tuple[Target, ...]:
        """Return them in the order of the config; none only where the shard has none.

        Raises UsageError, naming what there is, when a word fits no target or nothing is left.
        """
        wanted = _fitting(config, self.only) if self.only else {target.name for target in config.targets}
        wanted -= _fitting(config, self.skip)
        if not wanted:
            raise UsageError("--skip leaves no target", hint=_there_are(config))
        return tuple(target for target in self.of_shard(config) if target.name in wanted)

    def of_shard(self, config: Config) -> tuple[Target, ...]:
        """Return all targets of the config that belong to this shard."""
        return tuple(target for target in config.targets if self.shard is None or self.shard.has(target.name))


def target_named(config: Config, name: str) -> Target:
    """Return the target of this name. Raises UsageError with the names there are."""
    for target in config.targets:
        if target.name == name:
            return target
    raise _unknown(config, name)


def _fitting(config: Config, words: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    names = [(target.name, _folded(target.name)) for target in config.targets]
    for word in words:
        # A name may have the letters of a glob in it: then it means itself alone.
        fitting = {name for name, folded in names if folded == _folded(word)}
        fitting = fitting or {name for name, folded in names if fnmatch.fnmatchcase(folded, _folded(word))}
        if not fitting:
            raise _unknown(config, word)
        found |= fitting
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())


def _unknown(config: Config, word: str) -> UsageError:
    return UsageError(f"there is no target {word!r} in the config", hint=_there_are(config))


def _there_are(config: Config) -> str:
    names = [target.name for target in config.targets]
    return f"there are: {first_few(names, _MOST_NAMED)}"


def read_shard(text: str) -> Shard:
    """Return the shard that "I/N" names. Raises UsageError when it names none."""
    found = _FORM.fullmatch(text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    hint = f"write I/N, such as 0/3: shard I of N, at most {MOST_SHARDS}, counted from 0"
    if 0 < shard.count <= shard.index:
        hint = f"shards are counted from 0: the last of {shard.count} is {shard.count - 1}/{shard.count}"
    if not shard.index < shard.count <= MOST_SHARDS:
        raise UsageError(f"--shard {text!r}: there is no such shard", hint=hint)
    return shard


def shard_of(name: str, count: int) -> int:
    """Return the number, from 0, of the one of `count` shards that the target `name` belongs to.

    It is the one for which the SHA-256 of its decimal number, a slash and the name (UTF-8, NFC) is the largest.
    """
    known = unicodedata.normalize("NFC", name)
    return max(range(count), key=lambda index: hashlib.sha256(f"{index}/{known}".encode()).digest())
