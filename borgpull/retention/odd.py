"""Placeholder."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass


class Oddity(enum.Enum):
    EMPTY = "empty"
    LINK = "link"
    KIND = "kind"
    MOUNT = "mount"
    EXCLUDED = "excluded"
    SHRUNK = "shrunk"
    CHANGED = "changed"
    HOST = "host"


@dataclass(frozen=True)
class Source:
    path: str
    kind: str = "folder"
    holds: bool | None = True
    mount: bool | None = False
    leads: str = ""
    excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    files: int
    size: int
    new: int
    seconds: float = 0.0
    sources: tuple[Source, ...] = ()
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Limits:
    shrink: float = 0.5
    change: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Finding:
    oddity: Oddity
    path: str = ""
    words: str = ""


def oddities(now: Facts, good: Sequence[Facts], *, limits: Limits, others: Collection[str] = ()) -> tuple[Finding, ...]:
    return ()


def ends(held: Collection[tuple[Oddity, str]], now: Collection[Finding]) -> frozenset[tuple[Oddity, str]]:
    return frozenset()
