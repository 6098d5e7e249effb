"""When a repository's `borg check` is due. Pure: it asks nobody, and what it goes by stands in the ledger on B.

Time is cut into periods of CheckEvery, for each repository at moments of its own, which its id gives: the first run in
each period checks. So the checks of a fleet that began on one day do not stay together on one.
"""

from __future__ import annotations

import hashlib
import math

from ..ledger import Ledger

_SHARES = 1 << 64


def check_due(known: Ledger, *, every: float, now: float) -> bool:
    """Tell whether a check is due at `now`, `every` seconds: 0 for always, infinity for never.

    One that never passed is: of a new repository it is cheap, and of one that was taken over or accepted nobody knows
    yet what it holds. So is one that was interrupted, or found damage.
    """
    if every == 0 or math.isinf(every):
        return every == 0
    period = _period(known, known.checked, every)
    # Not "later than": by a clock that was set back, the last check may lie in the future.
    return known.checked == 0 or known.checking or period != _period(known, now, every)


def next_check(known: Ledger, *, every: float, now: float) -> float:
    """Return when the next period of this repository begins; infinity when it is never checked."""
    if every == 0 or math.isinf(every):
        return now if every == 0 else math.inf
    return (_period(known, now, every) + 1 + _share(known)) * every


def _period(known: Ledger, moment: float, every: float) -> int:
    return math.floor(moment / every - _share(known))


def _share(known: Ledger) -> float:
    """Return what part of a period the repository's own periods begin later: from 0 to below 1."""
    digest = hashlib.sha256(known.evidence.repository_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") / _SHARES
