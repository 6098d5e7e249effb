"""Room on the backup server: what a session may add, so that concurrent ones cannot fill its disk. Pure."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..config import units
from ..errors import NoSpace
from ..format import size
from ..ledger import Ledger, Space

# What borg wants to be free before it commits (1.2.4, 1.4.5): four times its index, and once there is more to compact a
# whole segment and an object. Ledgers, hints and what an index grows by in one session are the margin.
_INDEXES = 4
_SEGMENT = (500 + 20) * 1024 * 1024
_MARGIN = 64 * 1024 * 1024
# The least quota that borg takes.
LEAST = 10_000_000
HINT = "free space below RootDir on the backup server, keep less (PruneSetting), or lower MinFree if it is set"


def min_free(index: int, floor: int) -> int:
    """Return what must stay free beside a repository with an index of so many bytes, at least `floor`."""
    return max(floor, _INDEXES * index + _SEGMENT + _MARGIN)


@dataclass
class Room:
    """The disks that concurrent targets share: `left` would be free of each if all added what was granted."""

    claims: list[Claim] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)

    @contextlib.contextmanager
    def claiming(self) -> Iterator[Claim]:
        """Count one target more for as long as the context lasts."""
        claim = Claim(self)
        self.claims.append(claim)
        try:
            yield claim
        finally:
            self.claims.remove(claim)


@dataclass(eq=False)
class Claim:
    """What one target may add, on which disk: `waits` until it was first granted its share."""

    room: Room = field(default_factory=Room)
    disk: str = ""
    granted: int = 0
    waits: bool = True

    def grant(self, space: Space, *, least: int, most: int) -> tuple[int, bool]:
        """Grant at most `most` of what is free above `least`; return the share of that, and whether others share."""
        others = [each for each in self.room.claims if each is not self]
        waiting = sum(each.waits for each in others)
        granted = any(each.granted for each in others if each.disk == space.disk)
        left = min(self.room.left[space.disk], space.free) if granted else space.free
        share = max(0, left - least) // (1 + waiting)
        self.disk, self.waits, self.granted = space.disk, False, max(0, min(share, most))
        self.room.left[space.disk] = left - self.granted
        return share, bool(waiting) or granted

    def begin_again(self) -> None:
        """Give back what was granted to an attempt that failed, and wait for a share again."""
        self.give_back(0)
        self.waits = True

    def give_back(self, used: int) -> None:
        self.room.left[self.disk] += max(0, self.granted - used)
        self.granted = 0


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The quota for `borg serve`, empty for none; `limit` says what sets it, as in NoSpace.

    `share` is how much of the free space it leaves to the session.
    """

    quota: str
    limit: str = "quota"
    share: int = 0

    def named(self, failure: NoSpace) -> NoSpace:
        """Return the failure of a session, named after what its quota was made of."""
        if failure.limit != "quota" or self.limit == "quota":
            return failure
        if self.limit == "disk":
            cause = f"the session used up what is free above MinFree ({size(self.share)})"
            return NoSpace(cause, hint=HINT, limit="disk")
        cause = f"the session used up its share of the free space ({size(self.share)})"
        return NoSpace(cause, hint="borgpull tries it once more when all others have ended", limit="share")


def allow(claim: Claim, known: Ledger, space: Space | None, *, quota: str, floor: int, adds: bool = True) -> Allowance:
    """Return how large a session may let its repository get: the least of `quota`, its own, and what is free.

    Raises NoSpace when the session should add and may not even add borg's least quota.
    """
    used, own = known.evidence.used, _size(dict(known.evidence.settings).get("storage_quota", ""))
    most = min(filter(None, (_size(quota), own)), default=0)
    if space is None or used < 0:
        return Allowance(quota=_quota_of(most, own))
    least = min_free(space.index, floor)
    share, shared = claim.grant(space, least=least, most=most - used if most else space.free)
    limit = "share" if shared else "disk"
    if share < LEAST and adds:
        claim.give_back(0)
        of = f"{size(share)} is a session's share of " if shared else ""
        cause = f"its disk has no room for a session: {of}{size(space.free)} free less {size(least)} (MinFree)"
        raise NoSpace(cause, hint=HINT, limit=limit)
    if most and most <= used + share:
        return Allowance(quota=_quota_of(most, own))
    return Allowance(quota=str(max(LEAST, used + share)), limit=limit, share=share)


def runs_short(known: Ledger, space: Space | None, *, quota: str, floor: int) -> bool:
    """Tell whether the disk or the quota may lack room for as much again as came in a day."""
    newest = max((facts.started for facts in known.facts.values()), default=0.0)
    day = [max(0, facts.new) for facts in known.facts.values() if facts.started > newest - 86400]
    used, more = known.evidence.used, max(LEAST, sum(day))
    own = dict(known.evidence.settings).get("storage_quota", "")
    most = min(filter(None, (_size(quota), _size(own))), default=0)
    full = space is not None and space.free < min_free(space.index, floor) + more
    return full or (used >= 0 and 0 < most < used + more)


def _quota_of(most: int, own: int) -> str:
    # Without a quota the repository's own counts, which may be less than serve accepts.
    return "" if most == own else str(most)


def _size(text: str) -> int:
    """Return a size as a config of borg or of ours has it; 0 for none."""
    try:
        return int(text) if text.isdecimal() else units.size(text)
    except ValueError:
        return 0
