"""Which targets a run skips: those whose last attempt is younger than Every. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..events import Outcome
from ..ledger import Entry
from ..repository.status import RUN

_CREATED = {Outcome.DONE, Outcome.WARNING, Outcome.HELD}
# After the first attempt that failed before it came to `borg create`; each further one doubles it.
FIRST_PAUSE = 900.0


def next_attempt(history: Sequence[Entry], *, every: float) -> float:
    """Return from when the next attempt is due, in unix seconds, by the entries of a history, the newest last.

    That is `every` seconds after the last one that came to `borg create`, however it ended. Attempts that failed before
    that come again in growing distances, never longer than `every`. One that was interrupted, or met another run at
    work, tells nothing.
    """
    due, failed = 0.0, 0
    for entry in history:
        if entry.what != RUN:
            continue
        if entry.created or entry.outcome in _CREATED:
            due, failed = entry.at + every, 0
        elif entry.outcome == Outcome.FAILED:
            due, failed = entry.at + min(every, FIRST_PAUSE * 2**failed), failed + 1
    return due
