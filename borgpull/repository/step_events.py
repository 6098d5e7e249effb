"""The events of one target: its steps, and the output of its borgs. Decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import events
from ..borg import WARNED
from ..borg.failure import STOPPED
from ..borg.locks import FREED
from ..borg.output import Created, Line, Message, Percent
from ..errors import Absent, AtWork, TamperedError, plural
from ..events import WORST_FIRST, Emit, Outcome, Said, Step, StepFinished, StepSkipped, StepStarted, Warned
from ..transport import BorgResult

# More are counted, not shown: a million changed files are one thing to know.
MOST_WARNINGS = 20
# What borg says of a lock of its own host whose process is dead (1.2.4, 1.4.5).
_FREED_BY_BORG = ("Killed stale lock", "Removed stale")
NO_LINKS = "the backup server's file system has no hard links: no snapshot; a rollback can only remove what was added"
NO_LINKS_HINT = "put RootDir on a file system with hard links (ext4, xfs, btrfs, zfs)"


class StepReport:
    """The result of a step: set `outcome` and `detail` before it ends."""

    def __init__(self, detail: str = "") -> None:
        self.outcome = Outcome.DONE
        self.detail = detail


class StepEvents:
    """The events of one target. `latest` is the step that began last, `worst` the worst outcome of a step but failure.

    `stopped_in` is the first step that was interrupted; After may still run on the target after it.
    """

    def __init__(self, target: str, emit: Emit) -> None:
        self._target = target
        self._emit = emit
        self.latest = Step.CONNECT
        self.worst = Outcome.DONE
        self.stopped_in: Step | None = None
        self._kept = ""

    @contextmanager
    def step(self, step: Step, detail: str = "") -> Iterator[StepReport]:
        """Emit the begin of a step, and its end with the outcome of its report or of its exception."""
        self.latest = step
        self._emit(StepStarted(target=self._target, step=step, detail=detail))
        report = StepReport(detail)
        try:
            yield report
        except BaseException as error:
            report.outcome = outcome_of(error)
            if self.stopped_in is None and report.outcome is Outcome.INTERRUPTED:
                self.stopped_in, report.detail = step, self._kept or report.detail
            raise
        finally:
            self._emit(StepFinished(target=self._target, step=step, outcome=report.outcome, detail=report.detail))

    def worsen(self, report: StepReport, outcome: Outcome) -> None:
        """Let a step, and with it the target, end with `outcome` or worse."""
        report.outcome = min(report.outcome, outcome, key=WORST_FIRST.index)
        self.worst = min(self.worst, outcome, key=WORST_FIRST.index)

    def skip(self, step: Step, reason: str) -> None:
        self._emit(StepSkipped(target=self._target, step=step, reason=reason))

    def output_handler(self, party: str, step: Step) -> Callable[[Line], None]:
        """Return a function that turns the lines of a borg into events."""

        freed: set[str] = set()

        def on_output(line: Line) -> None:
            match line:
                case Created():
                    self._emit(events.ArchiveProgress(target=self._target, **vars(line)))
                case Percent():
                    self._emit(events.PercentProgress(target=self._target, step=step, **vars(line)))
                case Message(_, kind, text) if not freed and (kind == FREED or text.startswith(_FREED_BY_BORG)):
                    # Once: a target may print as many as it likes.
                    freed.add(text)
                    self._emit(Warned(target=self._target, text=f"{party}: {text}"))
                case Message(_, _, text):
                    self.said(party, text)
                    if step is Step.CREATE and STOPPED in text:
                        self._kept = "its checkpoint is kept, and the next run goes on from it"

        return on_output

    def said(self, party: str, text: str) -> None:
        self._emit(Said(target=self._target, party=party, text=text))

    def report_result(
        self, report: StepReport, ended: BorgResult, command: str, *, party: str, warn_on_change: bool = True
    ) -> None:
        """Emit the warnings of a borg that has ended. Raises Failure, naming `party`, when it failed.

        That files changed while they were read is a warning only with `warn_on_change`, or beside another warning.
        """
        ended.or_raise(party, command, warned=True)
        changed = ended.said.changed
        if changed and changed == ended.said.warned and not warn_on_change:
            report.detail = f"{changed} {'file' if changed == 1 else 'files'} changed while being read"
        elif ended.status == WARNED:
            self.worsen(report, Outcome.WARNING)
            self.warn(ended.said.warnings, ended.said.warned, of=command)

    def warn(self, warnings: list[Message], count: int, *, of: str) -> None:
        """Emit the first warnings of borg, and how many more there were."""
        for message in warnings[:MOST_WARNINGS]:
            self._emit(Warned(target=self._target, text=f"borg {of}: {message.text}"))
        if count > MOST_WARNINGS:
            self._emit(Warned(target=self._target, text=f"borg {of}: {plural(count - MOST_WARNINGS, 'more warning')}"))


def outcome_of(error: BaseException) -> Outcome:
    if isinstance(error, TamperedError):
        return Outcome.UNVERIFIABLE if error.unverifiable else Outcome.TAMPERED
    if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
        return Outcome.INTERRUPTED
    kinds = {AtWork: Outcome.BUSY, Absent: Outcome.ABSENT}
    return next((outcome for kind, outcome in kinds.items() if isinstance(error, kind)), Outcome.FAILED)
