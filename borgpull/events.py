"""Facts that a run emits, one frozen record each. Work emits them and does not know what a terminal is.

Times are unix seconds (UTC), sizes are bytes, durations are seconds. Text from another machine is already clean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import Problem


class Step(StrEnum):
    """The steps of one target, in their order; EXTRACT is of a restore alone, between INSPECT and VERIFY.

    What was added is verified before each STREAM, and after the last session.
    """

    CONNECT = "connect"
    INSPECT = "inspect"
    BEFORE = "before"
    CREATE = "create"
    STREAM = "stream"
    AFTER = "after"
    VERIFY = "verify"
    CHECK = "check"
    PRUNE = "prune"
    COMPACT = "compact"
    EXTRACT = "extract"
    ON_FAILURE = "on_failure"


class Outcome(StrEnum):
    """How a step or a target ended.

    NOT_DUE: its last attempt is younger than Every. ABSENT: it could not be reached, and may be absent.
    BUSY: another run is at work on it. HELD: done, but the archive is odd, or one before it: nothing is pruned.
    """

    NOT_DUE = "not-due"
    ABSENT = "absent"
    DONE = "done"
    WARNING = "warning"
    BUSY = "busy"
    HELD = "held"
    FAILED = "failed"
    TAMPERED = "tampered"
    UNVERIFIABLE = "unverifiable"
    INTERRUPTED = "interrupted"


# The one order of badness. Nothing hides tampering, not even an interrupt.
WORST_FIRST = (
    *(Outcome.TAMPERED, Outcome.UNVERIFIABLE, Outcome.INTERRUPTED, Outcome.FAILED),
    *(Outcome.HELD, Outcome.BUSY, Outcome.WARNING, Outcome.DONE, Outcome.ABSENT, Outcome.NOT_DUE),
)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return which of several outcomes counts; DONE of none."""
    return min(outcomes, key=WORST_FIRST.index, default=Outcome.DONE)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened at `at`; `target` is the target's name, empty where it concerns the whole run."""

    target: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """The run begins with these targets, in the order of the config, at most `jobs` of them at a time."""

    targets: tuple[str, ...]
    jobs: int


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """A step of a target begins. `detail` is a word on what it is about, such as the name of a stream."""

    step: Step
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class StepFinished(Event):
    """A step of a target ended. `detail` is a few words worth a line, such as "freed 6.31 kB"."""

    step: Step
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class StepSkipped(Event):
    """A step of a target is left out of this run; `reason` is a few words, such as "due from 2026-11-28 14:05 UTC"."""

    step: Step
    reason: str


@dataclass(frozen=True, kw_only=True)
class Estimated(Event):
    """What the last archive of this target held: the only honest estimate of how much there is to read."""

    original_size: int
    files: int


@dataclass(frozen=True, kw_only=True)
class ArchiveProgress(Event):
    """How far `borg create` on the target is. Its total is unknown."""

    original_size: int
    deduplicated_size: int
    files: int
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class PercentProgress(Event):
    """How far a step with a known total is; `total` is above zero."""

    step: Step
    current: int
    total: int
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class ArchiveCreated(Event):
    """The target's borg reports this archive; `stream` is the name of its stream, empty for the source paths."""

    name: str
    archive_id: str
    original_size: int
    deduplicated_size: int
    files: int
    stream: str = ""


@dataclass(frozen=True, kw_only=True)
class CommandFinished(Event):
    """An operator's command on the target ended, `command` by its place in the config, such as "Before[0]".

    `status` is its exit status, -1 when it did not end by itself; `output` are its last lines.
    """

    command: str
    status: int
    output: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Said(Event):
    """A line that borg or ssh printed, for -v. `party` is the program."""

    party: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something an operator should read; the target goes on."""

    text: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Noted(Event):
    """Something for people to know at once that is no problem, such as that the backup server is back."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Failed(Event, Problem):
    """What ended the target, or the run when there is no target."""


@dataclass(frozen=True, kw_only=True)
class Retried(Event, Problem):
    """An attempt failed for a transient reason: the next one, `attempt` of `attempts`, begins in `seconds`.

    0 seconds: at the end of the run.
    """

    attempt: int
    attempts: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TargetFinished(Event):
    """The run is done with a target."""

    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The run is done with all targets."""

    outcome: Outcome


Emit = Callable[[Event], None]
