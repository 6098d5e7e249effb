"""What the run looks like now: events folded into frozen records, which screen, lines and report all read.

Pure: never reads a clock, draws or prints. Events may come late, twice or in an odd order; none of them
is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .. import events
from ..events import WORST_FIRST, Event, Outcome, Step, worst
from ..format import size
from ..untrusted import shown

WAITING = "waiting"
RUNNING = "running"

BAD = WORST_FIRST[:4]

# A target can make borg warn about each of a million files: the first ones are kept, the others counted.
KEPT = 100
LARGEST = 2**63 - 1

# Seconds that a speed is averaged over, and how close together samples are worth keeping.
WINDOW = 10.0
SAMPLE_EVERY = 0.5

# An estimate never says that all is read: only borg knows when it is.
ESTIMATE_CAP = 0.99

# Seconds without any event after which a running target is called out.
SILENT = 60.0


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step of a target; a `skipped` one has no outcome."""

    step: Step
    started: float
    finished: float | None = None
    outcome: Outcome | None = None
    detail: str = ""
    skipped: bool = False

    @property
    def open(self) -> bool:
        return self.outcome is None and not self.skipped


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What borg create has read, in bytes, and what of it was new to the repository."""

    original: int = 0
    new: int = 0
    files: int = 0

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(original=self.original + other.original, new=self.new + other.new, files=self.files + other.files)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a step is, 0 to 1; `estimated` when its total is a guess from the last archive."""

    fraction: float
    estimated: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One target; the run as a whole is the row without a name.

    `sizes` and `archive` are of its source paths, `stream` is of the stream that is read, or was read last.
    """

    name: str
    started: float | None = None
    finished: float | None = None
    seen: float | None = None
    outcome: Outcome | None = None
    steps: tuple[StepRecord, ...] = ()
    estimate: int = 0
    percent: events.PercentProgress | None = None
    sizes: Sizes | None = None
    samples: tuple[tuple[float, int], ...] = ()
    archive: events.ArchiveCreated | None = None
    stream: Sizes | None = None
    streams: tuple[events.ArchiveCreated, ...] = ()
    warnings: tuple[events.Warned, ...] = ()
    warning_count: int = 0
    failures: tuple[events.Failed, ...] = ()
    retries: tuple[events.Retried, ...] = ()
    commands: tuple[events.CommandFinished, ...] = ()
    note: str = ""

    @property
    def current(self) -> StepRecord | None:
        return self.steps[-1] if self.steps and self.steps[-1].open else None

    @property
    def state(self) -> str:
        """`WAITING`, `RUNNING` or how the target ended."""
        if self.outcome is not None:
            return self.outcome.value
        if self.failures:
            return worst([Outcome.FAILED, *(step.outcome for step in self.steps if step.outcome)]).value
        return RUNNING if self.started is not None else WAITING

    @property
    def progress(self) -> Progress | None:
        """How far the current step is, None where that is unknown."""
        step = self.current
        if step is None or self.outcome is not None:
            return None
        if self.percent and self.percent.step is step.step:
            return Progress(fraction=self.percent.current / self.percent.total, estimated=False)
        if step.step is Step.CREATE and self.sizes and self.estimate:
            return Progress(fraction=min(ESTIMATE_CAP, self.sizes.original / self.estimate), estimated=True)
        return None

    def speed(self, now: float) -> float | None:
        """Return what `borg create` reads, in bytes a second over the last `WINDOW`; 0 when it stalls."""
        step = self.current
        if self.state != RUNNING or step is None or step.step is not Step.CREATE or not self.samples:
            return None
        since = now - WINDOW
        start = next((sample for sample in reversed(self.samples) if sample[0] <= since), self.samples[0])
        newest = self.samples[-1]
        elapsed = max(now, newest[0]) - start[0]
        return max(0, newest[1] - start[1]) / elapsed if elapsed > 0 else None

    def left(self, now: float) -> float | None:
        """Return the seconds that the current step may still take, always an estimate; None where unknown."""
        step, done = self.current, self.progress
        if step is None or done is None:
            return None
        if not done.estimated:
            spent = now - step.started
            return max(0.0, spent * (1 - done.fraction) / done.fraction) if done.fraction > 0 else None
        speed = self.speed(now)
        if not speed or self.sizes is None or self.sizes.original >= self.estimate:
            return None
        return (self.estimate - self.sizes.original) / speed

    def elapsed(self, now: float) -> float | None:
        if self.started is None:
            return None
        return max(0.0, (now if self.finished is None else self.finished) - self.started)

    def silence(self, now: float) -> float | None:
        """Return the seconds since the last event of a running row, None when that is not worth a word."""
        quiet = now - self.seen if self.seen is not None else 0.0
        return quiet if self.state == RUNNING and quiet >= SILENT else None


@dataclass(frozen=True, kw_only=True)
class Board:
    """The whole run; `rows` are in the order of the config."""

    rows: dict[str, Row] = field(default_factory=dict)
    run: Row = field(default_factory=lambda: Row(name=""))
    jobs: int = 0


@dataclass(frozen=True, kw_only=True)
class Totals:
    """All rows together; `states` counts the rows by their state."""

    states: Counter[str]
    sizes: Sizes
    speed: float | None


def totals(rows: Iterable[Row], now: float) -> Totals:
    kept = list(rows)
    speeds = [speed for row in kept if (speed := row.speed(now)) is not None]
    return Totals(
        states=Counter(row.state for row in kept),
        sizes=sum((row.sizes for row in kept if row.sizes), Sizes()),
        speed=sum(speeds) if speeds else None,
    )


def cleaned(event: Event) -> Event:
    """Return an event with text that can be shown, and numbers that a JSON reader takes, wherever they come from."""
    return replace(event, **{each.name: _plain(getattr(event, each.name)) for each in fields(event)})


def _plain(value: Any) -> Any:  # noqa: ANN401 - of any field
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, int):
        return max(-LARGEST, min(value, LARGEST))
    return shown(value) if isinstance(value, str) else value


def fold(board: Board, event: Event) -> Board:
    event = cleaned(event)
    if isinstance(event, events.RunStarted):
        rows = {name: board.rows.get(name, Row(name=name)) for name in event.targets} | board.rows
        run = replace(board.run, started=event.at, finished=None, outcome=None)
        return replace(board, rows=rows, run=run, jobs=event.jobs)
    if isinstance(event, events.RunFinished):
        return replace(board, run=replace(board.run, finished=event.at, outcome=event.outcome))
    if not event.target:
        return replace(board, run=_change(board.run, event))
    row = _change(board.rows.get(event.target, Row(name=event.target)), event)
    row = replace(row, started=event.at if row.started is None else row.started, seen=event.at)
    return replace(board, rows=board.rows | {event.target: row})


def closed(board: Board) -> Board:
    """Return `board` when no more events will come: what still ran was interrupted."""
    rows = {
        name: replace(row, outcome=Outcome(row.state) if row.failures else Outcome.INTERRUPTED)
        if row.outcome is None and row.started is not None
        else row
        for name, row in board.rows.items()
    }
    ends = {row.outcome or Outcome.INTERRUPTED for row in rows.values()}
    if board.run.failures:
        ends.add(Outcome.FAILED)
    if board.run.warning_count:
        ends.add(Outcome.WARNING)
    return replace(board, rows=rows, run=replace(board.run, outcome=board.run.outcome or worst(ends)))


def _change(row: Row, event: Event) -> Row:
    changes: dict[str, Any] = {}
    match event:
        case events.StepStarted() | events.StepFinished() | events.StepSkipped():
            return _step(row, event)
        case events.Estimated():
            changes = {"estimate": max(0, event.original_size)}
        case events.ArchiveProgress():
            changes = _progress(row, event)
        case events.PercentProgress() if event.total > 0:
            done = replace(event, current=min(max(0, event.current), event.total))
            changes = {"percent": done, "note": event.message}
        case events.ArchiveCreated() if event.stream:
            # A second attempt reads every stream again.
            others = (each for each in row.streams if each.stream != event.stream)
            changes = {"streams": (*others, event)[:KEPT]}
        case events.ArchiveCreated():
            changes = {"archive": event, "sizes": _sizes(event)}
        case events.CommandFinished():
            changes = {"commands": (*row.commands, replace(event, output=event.output[:KEPT]))[:KEPT]}
        case events.Warned():
            changes = {"warnings": (*row.warnings, event)[:KEPT], "warning_count": row.warning_count + 1}
        case events.Failed():
            changes = {"failures": (*row.failures, replace(event, findings=event.findings[:KEPT]))[:KEPT]}
        case events.Retried():
            when = f"in {round(event.seconds)} s" if event.seconds else "at the end of the run"
            note = f"again {when}: {event.cause}"
            changes = {"retries": (*row.retries, event)[:KEPT], "percent": None, "note": note}
        case events.TargetFinished():
            changes = {"finished": event.at, "outcome": event.outcome, "percent": None}
    return replace(row, **changes)


def _step(row: Row, event: events.StepStarted | events.StepFinished | events.StepSkipped) -> Row:
    record = StepRecord(step=event.step, started=event.at)
    if isinstance(event, events.StepSkipped):
        record = replace(record, finished=event.at, detail=event.reason, skipped=True)
        return replace(row, steps=(*row.steps, record), percent=None, note=f"{event.step} skipped: {event.reason}")
    if isinstance(event, events.StepFinished):
        places = (n for n in reversed(range(len(row.steps))) if row.steps[n].step is event.step and row.steps[n].open)
        place = next(places, len(row.steps))
        begun = row.steps[place] if place < len(row.steps) else record
        ended = replace(begun, finished=event.at, outcome=event.outcome, detail=event.detail)
        steps = (*row.steps[:place], ended, *row.steps[place + 1 :])
        return replace(row, steps=steps, percent=None, note=ended.detail)
    row = replace(row, steps=(*row.steps, replace(record, detail=event.detail)), percent=None, note=event.detail)
    if event.step is Step.STREAM:
        return replace(row, stream=None)
    # A second attempt reads everything again: numbers of the first one would look like progress.
    return replace(row, sizes=None, samples=()) if event.step is Step.CREATE else row


def _progress(row: Row, event: events.ArchiveProgress) -> dict[str, Any]:
    sizes = _sizes(event)
    if row.current and row.current.step is Step.STREAM:
        return {"stream": sizes, "percent": None, "note": f"{row.current.detail}: {size(sizes.original)} read"}
    samples = _sampled(row.samples, event.at, sizes.original)
    # The end of a path says more than its beginning, and there is room for little.
    return {"sizes": sizes, "samples": samples, "percent": None, "note": "/".join(event.path.split("/")[-2:])}


def _sampled(samples: tuple[tuple[float, int], ...], at: float, count: int) -> tuple[tuple[float, int], ...]:
    if samples and at - samples[-1][0] < 0:
        return ((at, count),)
    # The newest sample is always kept exact; the ones behind it are thinned out.
    kept = samples[:-1] if len(samples) > 1 and at - samples[-2][0] < SAMPLE_EVERY else samples
    # One sample from before the window stays, as the point that the speed is measured from.
    while len(kept) > 1 and kept[1][0] <= at - WINDOW:
        kept = kept[1:]
    return (*kept, (at, count))


def _sizes(event: events.ArchiveProgress | events.ArchiveCreated) -> Sizes:
    return Sizes(original=max(0, event.original_size), new=max(0, event.deduplicated_size), files=max(0, event.files))
