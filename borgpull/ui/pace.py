"""How far, how fast and how long: what can honestly be said about a row of the board at a moment.

Pure: `now` (unix seconds) comes from the caller. An unknown is None, never zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..events import Step
from .board import RUNNING, WINDOW, Row, Sizes

# An estimate never says that all is read: only borg knows when it is.
ESTIMATE_CAP = 0.99

# Seconds without any event after which a running target is called out.
SILENT = 60.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a step is, 0 to 1; `estimated` when its total is a guess from the last archive."""

    fraction: float
    estimated: bool


@dataclass(frozen=True, kw_only=True)
class Totals:
    """All rows together; `states` counts the rows by their state."""

    states: Counter[str]
    sizes: Sizes
    speed: float | None
    warnings: int

    @property
    def targets(self) -> int:
        return self.states.total()


def progress(row: Row) -> Progress | None:
    """Return how far the current step of `row` is, None where that is unknown."""
    step = row.current
    if step is None or row.outcome is not None:
        return None
    if row.percent and row.percent.step is step.step:
        return Progress(fraction=row.percent.current / row.percent.total, estimated=False)
    if step.step is Step.CREATE and row.sizes and row.estimate:
        return Progress(fraction=min(ESTIMATE_CAP, row.sizes.original / row.estimate), estimated=True)
    return None


def speed(row: Row, now: float) -> float | None:
    """Return what `borg create` reads, in bytes a second over the last `WINDOW`; 0 when it stalls."""
    step = row.current
    if row.state != RUNNING or step is None or step.step is not Step.CREATE or not row.samples:
        return None
    since = now - WINDOW
    start = next((sample for sample in reversed(row.samples) if sample[0] <= since), row.samples[0])
    newest = row.samples[-1]
    elapsed = max(now, newest[0]) - start[0]
    return max(0, newest[1] - start[1]) / elapsed if elapsed > 0 else None


def left(row: Row, now: float) -> float | None:
    """Return the seconds that the current step may still take, always an estimate; None where unknown."""
    step, done = row.current, progress(row)
    if step is None or done is None:
        return None
    if not done.estimated:
        spent = now - step.started
        return max(0.0, spent * (1 - done.fraction) / done.fraction) if done.fraction > 0 else None
    pace = speed(row, now)
    if not pace or row.sizes is None or row.sizes.original >= row.estimate:
        return None
    return (row.estimate - row.sizes.original) / pace


def elapsed(row: Row, now: float) -> float | None:
    if row.started is None:
        return None
    return max(0.0, (now if row.finished is None else row.finished) - row.started)


def silence(row: Row, now: float) -> float | None:
    """Return the seconds since a running row was last heard of, None when that is not worth a word."""
    quiet = now - row.seen if row.seen is not None else 0.0
    return quiet if row.state == RUNNING and quiet >= SILENT else None


def totals(rows: Iterable[Row], now: float) -> Totals:
    kept = list(rows)
    speeds = [pace for row in kept if (pace := speed(row, now)) is not None]
    sizes = [row.sizes for row in kept if row.sizes]
    return Totals(
        states=Counter(row.state for row in kept),
        sizes=Sizes(
            original=sum(each.original for each in sizes),
            new=sum(each.new for each in sizes),
            files=sum(each.files for each in sizes),
        ),
        speed=sum(speeds) if speeds else None,
        warnings=sum(row.warning_count for row in kept),
    )
