"""What is asked of retention and what it answers."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime

# What a datetime can hold: an archive may be dated anywhere.
_FIRST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class ArchiveState(enum.Enum):
    """GOOD: a backup. SET_ASIDE: its own run refused it. UNJUDGED: its run died before it could judge.

    ODD: it lacks what the good ones before it have; an operator or a later archive decides what becomes of it.
    """

    GOOD = "good"
    ODD = "odd"
    SET_ASIDE = "set aside"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive of the repository. A checkpoint is known by its name and is never a backup, whatever its state.

    `started` is in unix seconds. `reason` is why it was set aside. `paths` are the source paths that it holds, None
    where nobody wrote them down.
    """

    name: str
    id: str
    started: float
    state: ArchiveState = ArchiveState.GOOD
    reason: str = ""
    paths: frozenset[str] | None = None

    @property
    def age_order(self) -> tuple[float, str]:
        """Return what sorts archives from the oldest to the newest; of two with one start borg takes them by name."""
        return self.started, self.name


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether an archive is kept, and the rule that says so. Without a series it is not borgpull's."""

    archive: Archive
    series: str | None
    kept: bool
    rule: str


@dataclass(frozen=True, kw_only=True)
class Retention:
    """One decision for each archive, the oldest first."""

    decisions: tuple[Decision, ...]

    @property
    def kept(self) -> tuple[Archive, ...]:
        """Return the archives that stay, the oldest first; those that are not borgpull's are among them."""
        return tuple(decision.archive for decision in self.decisions if decision.kept)

    @property
    def to_go(self) -> tuple[Archive, ...]:
        """Return the archives to remove, the oldest first."""
        return tuple(decision.archive for decision in self.decisions if not decision.kept)

    @property
    def foreign(self) -> int:
        """Return how many archives are not borgpull's and are left alone."""
        return sum(decision.series is None for decision in self.decisions)


def moment(seconds: float) -> datetime:
    """Return unix seconds as a datetime in UTC, the nearest that there is."""
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC)
