"""Which targets of a config a command is about: by name, by glob, and by shard. Pure.

A word that fits no target is an error and never an empty run: a misspelt name must not look like a backup.
"""

from __future__ import annotations

import fnmatch
import unicodedata
from dataclasses import dataclass

from ..config import Config, Target
from ..errors import UsageError
from .shard import Shard

_MOST_NAMED = 20


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
        shard = self.shard
        return tuple(target for target in config.targets if shard is None or shard.has(target.name))


def target_named(config: Config, name: str) -> Target:
    """Return the target of this name. Raises UsageError with the names there are."""
    for target in config.targets:
        if target.name == name:
            return target
    raise _unknown(config, name)


def _fitting(config: Config, words: tuple[str, ...]) -> set[str]:
    return {name for word in words for name in _names_of(config, word)}


def _names_of(config: Config, word: str) -> list[str]:
    names = [target.name for target in config.targets]
    # A name may have the letters of a glob in it: then it means itself alone.
    found = [name for name in names if _folded(name) == _folded(word)]
    found = found or [name for name in names if fnmatch.fnmatchcase(_folded(name), _folded(word))]
    if not found:
        raise _unknown(config, word)
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())


def _unknown(config: Config, word: str) -> UsageError:
    return UsageError(f"there is no target {word!r} in the config", hint=_there_are(config))


def _there_are(config: Config) -> str:
    names = [target.name for target in config.targets]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"there are: {', '.join(names[:_MOST_NAMED])}{more}"
