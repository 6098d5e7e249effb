"""The archives of a repository: how they are named, which series they belong to, and what retention decides on them.

borgpull and its ancestor make `snapshot-TIME` and `@STREAM-TIME`; the operator may name more prefixes in `PruneAlso`.
borgpull removes nothing that has no series.
"""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

_OWN = "snapshot-"
_STREAM = "@"
_MONTH_DAY = "(?:0[1-9]|1[0-2]){0}(?:0[1-9]|[12][0-9]|3[01])"
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_DATE = f"[0-9]{{4}}-{_MONTH_DAY.format('-')}"
_FULL_TIME = f"{_HOUR}:{_SIXTY}:{_SIXTY}"
_FRACTION = r"(?:\.[0-9]{1,9})?"
_TIMES = (
    f"{_FULL_TIME}{_FRACTION}",
    f"{_HOUR}{_SIXTY}{_SIXTY}{_FRACTION}",
    f"{_HOUR}-{_SIXTY}-{_SIXTY}{_FRACTION}",
    f"{_HOUR}:?{_SIXTY}",
)
_ZONE = f"(?:Z|[+-]{_HOUR}:{_SIXTY})?"
_MADE = re.compile(f"(?P<series>{_OWN}|{_STREAM}(?P<stream>.+)-){_DATE}T{_FULL_TIME}", re.ASCII | re.DOTALL)
_DATED = re.compile(f"(?:{_DATE}|[0-9]{{4}}{_MONTH_DAY.format('')})(?:[T_ -](?:{'|'.join(_TIMES)}){_ZONE})?", re.ASCII)
# Borg adds it to the name of an archive that it has not finished (1.2.4, 1.4.5).
_CHECKPOINT = re.compile(r"\.checkpoint(?:\.[0-9]+)?\Z", re.ASCII)
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
    if unknown.
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


def archive_name(now: float, *, stream: str = "") -> str:
    """Return the name of an archive of a run begun at `now`, unix seconds, in UTC; of the source paths or a stream."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{_STREAM}{stream}-{stamp}" if stream else f"{_OWN}{stamp}"


def is_main(name: str) -> bool:
    """Tell whether an archive is one of the source paths that borgpull or its ancestor made."""
    made = _MADE.fullmatch(name)
    return made is not None and made["stream"] is None


def stream_of(name: str) -> str:
    """Return the stream that an archive is of, "" when it is of none."""
    made = _MADE.fullmatch(name)
    return made["stream"] or "" if made else ""


def series_of(name: str, *, streams: Collection[str] = (), also: Collection[str] = ()) -> str | None:
    """Return the prefix of the archive's series, or None when the archive is to be left alone.

    `streams` are those that the config has now: archives of a stream that was taken out of it stay. `also` are prefixes
    that only a date and time may follow; where two fit, the longer one counts.
    """
    whole = _CHECKPOINT.sub("", name)
    if made := _MADE.fullmatch(whole):
        return made["series"] if made["stream"] is None or made["stream"] in streams else None
    fitting = [prefix for prefix in also if whole.startswith(prefix) and _DATED.fullmatch(whole, len(prefix))]
    return max(fitting, key=len, default=None)


def is_checkpoint(name: str) -> bool:
    """Tell whether borg did not finish the archive."""
    return _CHECKPOINT.search(name) is not None
