"""What commands answer, as frozen records. Who finds them out does not know how they are shown.

Times are unix seconds (UTC), sizes are bytes, durations are seconds. Text from another machine is already clean, but
for that of an `Item` and the name of a `ListedArchive`: who compares or looks for these needs them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How something that was looked at is."""

    OK = "ok"
    NOTE = "note"
    """It stops nothing, or it cannot be told."""
    WARNING = "warning"
    FAILED = "failed"
    """A backup would not get past this."""
    UNSEEN = "unseen"
    """Something else stood in the way of looking."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. `party` is whose it is, `what` its name, the same for each party of a kind.

    `detail` is what was found, or the cause; `hint` the line to change or the command to type.
    """

    party: str
    what: str
    mark: Mark
    detail: str = ""
    hint: str = ""


class State(StrEnum):
    """How the backups of a target stand; of several the one that is worst."""

    OK = "ok"
    STALE = "stale"
    """The last good archive is too old."""
    INTERRUPTED = "interrupted"
    """A run ended in the middle; the next one verifies what it left."""
    HELD = "held"
    """An archive is odd: nothing is pruned until `release`, or until what was missing is there again."""
    FAILING = "failing"
    """The last run failed."""
    CHANGED = "changed"
    """The repository is not in the state that was verified; the next run judges it."""
    NEVER = "never"
    """There is no good archive."""
    UNKNOWN = "unknown"
    """B did not say."""
    TAMPERED = "tampered"
    UNVERIFIABLE = "unverifiable"


class Level(StrEnum):
    """What a monitor makes of a state, the mildest first."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"


_LEVELS = {
    State.OK: Level.OK,
    State.STALE: Level.WARNING,
    State.INTERRUPTED: Level.WARNING,
    State.HELD: Level.WARNING,
    State.FAILING: Level.WARNING,
    State.CHANGED: Level.WARNING,
    State.NEVER: Level.UNKNOWN,
    State.UNKNOWN: Level.UNKNOWN,
    State.TAMPERED: Level.CRITICAL,
    State.UNVERIFIABLE: Level.CRITICAL,
}


@dataclass(frozen=True, kw_only=True)
class GoodArchive:
    """A good archive, `started` at this time, and how old it is now."""

    name: str
    started: float
    age: float


@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """What became of a run, or what an operator decided with the command `what`, and from which controller."""

    at: float
    what: str
    outcome: str
    cause: str
    controller: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How the backups of one target stand, by the ledger on B. What is not known is None.

    `ledger` is its phase, "none" or "unreadable"; `at_work` says who holds the repository now. `size` is the space
    taken on B, `growth` what was added to it since the last session of the target began, `checked` when borg check
    last passed. Until `expected` an announced change is not held. `cause`, the broken `rules` and `hint` are in words.
    `history` has the newest events, the newest last.
    """

    target: str
    state: State
    ledger: str = "none"
    at_work: str = ""
    last: GoodArchive | None = None
    archives: int | None = None
    size: int | None = None
    growth: int | None = None
    checked: float | None = None
    expected: float | None = None
    cause: str = ""
    rules: tuple[str, ...] = ()
    hint: str = ""
    history: tuple[PastEvent, ...] = ()

    @property
    def level(self) -> Level:
        """Return what a monitor makes of it."""
        return _LEVELS[self.state]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A file, folder, link or device in an archive. `path` has no leading slash.

    `kind` is its letter as `ls -l` has it, "h" for a hard link to an earlier item. `mode` is its whole word, such as
    "-rw-r--r--"; `modified` is ISO in UTC without a zone; `link` is what a link of either kind leads to. `sha256` is
    of plain files alone, and empty where it was not asked for.
    """

    kind: str
    mode: str
    user: str
    group: str
    uid: int
    gid: int
    size: int
    modified: str
    path: str
    link: str
    healthy: bool
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ListedArchive:
    """An archive as the manifest has it, `start` in unix seconds. `verified` is None where no run has verified any.

    `unfinished` says that it is a checkpoint, half an archive. `aside` says why it counts as no backup, "" if it does.
    `kept` and `rule` say what the next run would do with it and why, where that was asked for.
    """

    name: str
    archive_id: str
    start: float
    verified: bool | None
    unfinished: bool
    aside: str = ""
    kept: bool | None = None
    rule: str = ""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What came of reading restored items again: how many are as the archive says, and in words what is not.

    `unsure` are those of which it cannot be told. No more than some differences are kept; `different` counts all.
    """

    same: int = 0
    different: int = 0
    unsure: int = 0
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore wrote, or would write: `items` of an archive, `size` bytes of files, below `folder` on `party`.

    `notes` are what could not be kept, such as owners; `warnings` what borg warned of, `warned` times in all.
    `compared` is None where nothing was read again.
    """

    target: str
    archive: ListedArchive
    party: str
    folder: str
    items: int
    size: int
    dry_run: bool
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    warned: int = 0
    compared: Compared | None = None

    @property
    def good(self) -> bool:
        """Tell whether all of it is there, as far as was looked."""
        return not self.warned and (self.compared is None or not self.compared.different)


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What came of a drill on one target: `picked` files of `picked_size` bytes, out of `files` and `size`.

    `broken` is how many files of the archive are known to lack parts. `cause` and `hint` say why nothing could be read,
    where that is so; `closed` that the repository is, and only what was verified was tried.
    """

    target: str
    archive: ListedArchive | None = None
    picked: int = 0
    picked_size: int = 0
    files: int = 0
    size: int = 0
    broken: int = 0
    compared: Compared | None = None
    closed: Closed | None = None
    party: str = ""
    cause: str = ""
    hint: str = ""

    @property
    def good(self) -> bool:
        """Tell whether all that was picked came out as it went in."""
        read_back = self.compared is not None and self.compared.same == self.picked
        return read_back and not self.broken and not self.cause


@dataclass(frozen=True, kw_only=True)
class Closed:
    """Why a repository is closed, in words: it was tampered with, or could not be verified; and what can be done."""

    cause: str
    rules: tuple[str, ...] = ()
    hint: str


def worst_mark(findings: Iterable[Finding]) -> Mark:
    """Return FAILED, WARNING or OK: whether a backup would go."""
    marks = {finding.mark for finding in findings}
    return next((mark for mark in (Mark.FAILED, Mark.WARNING) if mark in marks), Mark.OK)


def worst_level(standings: Iterable[Standing]) -> Level:
    """Return the worst level of all."""
    order = list(Level)
    return max((standing.level for standing in standings), key=order.index, default=Level.OK)
