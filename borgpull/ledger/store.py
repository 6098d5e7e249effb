"""Where the record of one repository is kept: on the backup server, or on the controller where that gives no shell.

On the backup server more is visible than a ledger: Borg's own records of the repository. And only there is a snapshot,
and a way back.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol

from ..config import Config
from ..guard import File, Records, TooMany, read_records
from ..guard.hints import MOST_SEGMENTS
from .history import Entry
from .lasting_session import LastingSession
from .record import Ledger

# The name of a segment, as `find` prints it.
SEGMENT = re.compile(rb"(?<=/)[0-9]{1,17}(?!\S)")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies there now. `files` are `config`, `nonce`, `hints.*` and `integrity.*` of the repository, and `last.N`
    the first bytes of the segment that a transaction ends with; empty without one.

    `numbers` names the files in its `data`; `unreadable` says why a ledger cannot be read. With `given_up` the operator
    gave up what was there, and a new repository may be made. `is_first`: there never was a ledger below RootDir.
    """

    repository: bool
    ledger: Ledger | None
    unreadable: str
    files: Mapping[str, File] = field(default_factory=lambda: MappingProxyType({}))
    numbers: bytes = b""
    given_up: bool = False
    is_first: bool = field(default=False, compare=False)

    @property
    def segments(self) -> frozenset[int]:
        """Return the numbers of the files in its `data`. Raises TooMany."""
        if (there := self.numbers.count(b"\n")) >= MOST_SEGMENTS:
            raise TooMany(f"{there} segment files, at most {MOST_SEGMENTS}")
        return frozenset(int(number) for number in SEGMENT.findall(self.numbers))

    @functools.cached_property
    def records(self) -> Records:
        """Return Borg's own records of the repository. Raises Unreadable, TooMany."""
        return read_records(self.files, segments=self.segments)


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is free on the repository's file system, whose id is `disk`, and the size of its index, both in bytes."""

    disk: str = ""
    free: int
    index: int = 0


@dataclass(frozen=True, kw_only=True)
class RepositoryStatus:
    """What was seen, `size` in bytes; `transaction` is the last one, None without any.

    `grace` are the names of the states that are kept, the oldest first; they take `grace_size` bytes more.

    `holder` is who is at work on it now; `space` is None if unknown; `history` has the newest entries, the newest last.
    `unreadable` says why a ledger cannot be read.
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
    """What the host reported while it wrote the ledger: whether it makes hard links, and the repository's bytes.

    Both only when a snapshot is made. `clock` is that of the host, in unix seconds, 0 if unknown; `space` is None if
    unknown.
    """

    has_hard_links: bool = True
    size: int = 0
    clock: float = 0.0
    space: Space | None = None


class Store(Protocol):
    """The ledger of one repository. Each method raises Failure when it cannot do what it should.

    Borg's own records are visible, `shows_records`, on a backup server with a shell; only there a snapshot can be made.
    """

    shows_records: ClassVar[bool] = False

    @property
    def registry(self) -> LastingSession | None:
        """Return the session on the backup server in which each `borg serve` registers, None without one."""
        return None

    def locked(self) -> AbstractAsyncContextManager[None]:
        """Keep every other run away for as long as the context lasts. Raises AtWork when one is at work."""

    async def await_serve(self) -> None:
        """Wait until no `borg serve` of this run is at work any more."""

    async def serve_state(self) -> str:
        """Return the state of the target's `borg serve` as in /proc ("T": stopped, "D": waits for a disk), or ""."""
        return ""

    async def read_evidence(self) -> Found:
        """Return the ledger, and what is visible of the repository."""

    async def write(self, ledger: Ledger, *, snapshot: str = "keep", grace: str = "", oldest: str = "") -> Written:
        """Store the ledger; `snapshot` is "make" (before the ledger is replaced), "keep" or "drop" (after it).

        The present state is kept as `grace` first, with the ledger that it has until now; what is older than `oldest`
        is dropped from there. As `snapshot` the name of such a state makes the snapshot of that one.
        """

    async def give_up(self) -> None:
        """Put the ledger aside as `ledger.retired.json`, for it holds the key; a new repository may be made then."""

    async def set_aside(self) -> str:
        """Move what an interrupted `borg init` left out of the way; return where to, "" where that is impossible.

        Raises Failure, too, when it holds anything else.
        """
        return ""

    async def read_status(self) -> RepositoryStatus:
        """Return what is visible without the lock; waits for nobody, and changes nothing."""

    async def remember(self, entry: Entry) -> None:
        """Add to the history, with or without the lock."""

    async def host_keys(self, keys: Collection[str], *, record: bool) -> frozenset[str]:
        """Return which of these fingerprints of host keys other targets have; `record` puts them on record here."""

    async def left_behind(self, config: Config, name: str = "") -> tuple[str, ...]:
        """Return the folders of ledgers that belong to no target of the config, or once belonged to the target."""
        return ()

    async def check_anew(self) -> None:
        """Have a check in parts begin from the first segment."""

    async def move(self, repository_id: str, *, to: str) -> None:
        """Move the ledger and what is kept with it into the folder `to`, and record that place."""

    async def require_borg(self, borg: str) -> None:
        """Raise Failure when the borg on the backup server is not of a version that borgpull works with."""

    async def known_place(self, repository_id: str) -> str:
        """Return where the ledger of a repository id lies, or once lay; "" when it never had one."""
