"""Which of several controllers backs a target up: all of them share one config, and each target has exactly one.

Rendezvous hashing, by names alone: the controllers need not know of each other, and one more of them takes over only
the targets that will be its own. Pure. The hash is a promise: another one would move nearly every target.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from ..errors import UsageError

MOST_SHARDS = 1000
_FORM = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True)
class Shard:
    """Number `index` of `count` shards, from 0, as Kubernetes counts the pods of an Indexed Job."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def has(self, name: str) -> bool:
        """Tell whether the target of this name belongs to this shard."""
        return shard_of(name, self.count) == self.index


def read_shard(text: str) -> Shard:
    """Return the shard that "I/N" names. Raises UsageError when it names none."""
    found = _FORM.fullmatch(text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.count <= MOST_SHARDS:
        hint = f"write I/N, such as 0/3: shard I of N, at most {MOST_SHARDS}, counted from 0"
        raise UsageError(f"--shard {text!r} names no shard", hint=hint)
    if shard.index >= shard.count:
        hint = f"shards are counted from 0: the last of {shard.count} is {shard.count - 1}/{shard.count}"
        raise UsageError(f"--shard {shard}: there is no such shard", hint=hint)
    return shard


def shard_of(name: str, count: int) -> int:
    """Return the number, from 0, of the one of `count` shards that the target `name` belongs to.

    It is the one for which the SHA-256 of its decimal number, a slash and the name (UTF-8, NFC) is the largest.
    """
    known = unicodedata.normalize("NFC", name)
    return max(range(count), key=lambda index: hashlib.sha256(f"{index}/{known}".encode()).digest())
