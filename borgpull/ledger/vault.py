"""Where what is known of one repository is kept: on B beside the repository, or on C where B gives no shell.

On B more can be seen than a ledger: Borg's own records of the repository. And only there is a snapshot, and a way back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from ..config import Config
from ..guard import File, Records, Unreadable, read_records
from ..guard.hints import MOST_SEGMENTS
from .history import Entry
from .record import Ledger

# The name of a segment, as `find` prints it.
SEGMENT = re.compile(rb"(?<=/)[0-9]{1,17}(?!\S)")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies there now. `files` are `config`, `nonce`, `hints.*` and `integrity.*` of the repository, and `last.N`
    the first bytes of the segment that a transaction ends with; empty without one.

    `numbers` names the files in its `data`; `unreadable` says why there is a ledger that cannot be read. `given_up`
    tells that the operator gave up what was there: a new repository may be made.
    """

    repository: bool
    ledger: Ledger | None
    unreadable: str
    files: Mapping[str, File] = field(default_factory=lambda: MappingProxyType({}))
    numbers: bytes = b""
    given_up: bool = False

    @property
    def segments(self) -> frozenset[int]:
        """Return the numbers of the files in its `data`. Raises Unreadable when Borg cannot have made so many."""
        if self.numbers.count(b"\n") >= MOST_SEGMENTS:
            raise Unreadable("there are more segment files than Borg makes")
        return frozenset(int(number) for number in SEGMENT.findall(self.numbers))

    @property
    def records(self) -> Records:
        """Return Borg's own records of the repository. Raises Unreadable."""
        return read_records(self.files, segments=self.segments)


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is free of the repository's file system, `disk` by its id, and how large its index is, both in bytes."""

    disk: str = ""
    free: int
    index: int = 0


@dataclass(frozen=True, kw_only=True)
class RepositoryStatus:
    """What was seen, `size` in bytes; `transaction` is the last one, None without any.

    `grace` are the names of the states that are kept, the oldest first; they take `grace_size` bytes more.

    `holder` says who is at work on it now; `space` is None where nobody tells it; `history` has the newest entries, the
    newest last. `unreadable` says why there is a ledger that cannot be read.
    """

    repository: bool
    size: int | None
    transaction: int | None
    holder: str
    ledger: Ledger | None
    unreadable: str
    space: Space | None = None
    history: tuple[Entry, ...] = ()
    grace: tuple[str, ...] = ()
    grace_size: int | None = None


@dataclass(frozen=True)
class Written:
    """What was seen while the ledger was written: whether hard links can be made, and the repository's bytes.

    Both are seen when a snapshot is made, and only then. `clock` is that of the host, in unix seconds, 0 if unknown;
    `space` is None where nobody tells it.
    """

    has_hard_links: bool = True
    size: int = 0
    clock: float = 0.0
    space: Space | None = None


class Vault(Protocol):
    """The ledger of one repository. `records` tells whether Borg's own records can be seen there too.

    Each method raises Failure when what it does cannot be done.
    """

    @property
    def shows_records(self) -> bool:
        """Tell whether Borg's records can be seen, and a snapshot be made."""

    @property
    def registry(self) -> str:
        """Return the folder on B in which each `borg serve` of this run is registered, "" for none."""

    def locked(self) -> AbstractAsyncContextManager[None]:
        """Keep every other run away for as long as the context lasts."""

    async def await_serve(self) -> None:
        """Wait until no `borg serve` of this run is at work any more."""

    async def serve_state(self) -> str:
        """Return the state of T's `borg serve` as /proc names it ("T" is stopped, "D" waits for a disk), or ""."""

    async def read_evidence(self) -> Found:
        """Return the ledger, and what can be seen of the repository."""

    async def write(self, ledger: Ledger, *, snapshot: str = "keep", grace: str = "", oldest: str = "") -> Written:
        """Store the ledger; `snapshot` is "make" (before the ledger is replaced), "keep" or "drop" (after it).

        The present state is kept as `grace` first, with the ledger that it has until now; what is older than `oldest`
        is dropped from there. As `snapshot` the name of such a state makes the snapshot of that one.
        """

    async def give_up(self) -> None:
        """Put the ledger aside, if there is one, and write down that a new repository may be made here."""

    async def set_aside(self) -> str:
        """Move what a `borg init` left that was cut off out of the way; return where to, "" where that cannot be done.

        Raises Failure, too, when it holds anything else.
        """

    async def read_status(self) -> RepositoryStatus:
        """Tell how things stand: takes no lock, waits for nobody, and changes nothing."""

    async def remember(self, entry: Entry) -> None:
        """Add to the history, with or without the lock."""

    async def host_keys(self, keys: Collection[str], *, record: bool) -> frozenset[str]:
        """Return which of these fingerprints of host keys other targets have; `record` puts them on record here."""

    async def left_behind(self, config: Config, name: str = "") -> tuple[str, ...]:
        """Return the folders of ledgers that belong to no target of the config; with a name those of a target of it."""

    async def check_anew(self) -> None:
        """Have a check in parts begin from the first segment."""

    async def move(self, repository_id: str, *, to: str) -> None:
        """Put the ledger and what is kept with it into the folder `to`, and write down that it lies there."""

    async def known_place(self, repository_id: str) -> str:
        """Return where the ledger of a repository id lies, or once lay; "" when it never had one."""
