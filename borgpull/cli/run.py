"""`borgpull run`, which is also `borgpull` alone: back up every target of the config."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from plumbum import cli

from .. import files, fleet, ui
from ..config import Config
from ..errors import UsageError
from ..events import Event, Noted, Outcome, Warned
from ..notify import Ping, on_finish
from ..transport import END_SECONDS
from ..ui import console, metrics, report, summary
from ..ui.board import Board
from ..ui.console import message_warning
from ..ui.report import event_line
from . import exit_codes
from .base import SelectingCommand, awaited

_TEXTFILE_HINT = "name a file in a folder that exists and that this user can write to"
_STOPPING = f"stopping: borg writes its checkpoint, at most {END_SECONDS:.0f} s; once more to stop at once"
_UNAFFECTED = "this does not affect the backups or the exit code"


class Run(SelectingCommand):
    """At most Jobs of them are backed up side by side."""

    EXIT_CODES = exit_codes.OF_RUN
    quiet = cli.Flag(["-q", "--quiet"], help="print only what went wrong")
    verbose = cli.Flag(["-v", "--verbose"], excludes=["--quiet"], help="print the output of borg and ssh")
    check = cli.Flag(["--check"], excludes=["--no-check"], help="check every repository, due or not (CheckEvery)")
    no_check = cli.Flag(["--no-check"], help="check no repository in this run")
    prune = cli.Flag(["--prune"], help="prune and compact every repository, due or not (PruneEvery)")
    every_target = cli.Flag(["--all"], help="back up what is not due too (Every)")
    json = cli.Flag(["--json"], help="print one JSON report on stdout when all is done")
    events_file = cli.SwitchAttr(["--events"], str, argname="FILE", help="write each event to FILE as a line of JSON")
    metrics_file = cli.SwitchAttr(
        ["--metrics"], str, argname="FILE", help="write a textfile for Prometheus' node_exporter to FILE at the end"
    )
    no_notify = cli.Flag(["--no-notify"], help="skip Ping and OnFinish of [Notify], e.g. in a manual run")

    def main(self) -> int:
        textfile = Textfile(self.metrics_file) if self.metrics_file else None
        with contextlib.ExitStack() as stack:
            with self.prepared() as (directory, config):
                end = stack.enter_context(_pinging(self._ping(config)))
                board, code = self._back_up(config, directory)
            if textfile:
                targets = [target.name for target in self.selection().of_shard(config)]
                textfile.update(board, targets=targets, exit_code=code)
            self._report(board, code, config)
            end.code, end.line = code, summary.last_line(board, board.run.finished or 0.0).plain
            end.needs_a_look = any(row.outcome in {Outcome.HELD, Outcome.BUSY} for row in board.rows.values())
        return code

    def config(self, directory: Path) -> Config:
        config = super().config(directory)
        check = {"check_every": 0.0 if self.check else math.inf} if self.check or self.no_check else {}
        prune = {"prune_every": 0.0} if self.prune else {}
        due = [target.model_copy(update={"every": 0}) for target in config.targets] if self.every_target else []
        return config.model_copy(update=check | prune | ({"targets": tuple(due)} if due else {}))

    def _ping(self, config: Config) -> str:
        if self.no_notify or not config.notify.ping:
            return ""
        shard = self.selection().shard
        return config.notify.ping.get_secret_value().replace("{shard}", str(shard.index if shard else 0))

    def _report(self, board: Board, code: int, config: Config) -> None:
        command = "" if self.no_notify else config.notify.on_finish
        if command and (problem := awaited(on_finish(command, report.dumps(board).encode(), exit_code=code))):
            message_warning(f"the command of [Notify] OnFinish failed: {problem}", _UNAFFECTED)
        if self.json:
            console.data(report.dumps(board))

    def _back_up(self, config: Config, directory: Path) -> tuple[Board, int]:
        targets = self.selected(config, quiet=self.quiet)
        cache = self.cache()
        interrupt = fleet.Interrupt()
        with self._events() as write, ui.open_display(quiet=self.quiet, verbose=self.verbose) as display:

            def emit(event: Event) -> None:
                lost = write(event)
                display.handle(event)
                if lost:
                    display.handle(lost)

            async def work() -> Outcome:
                interrupt.attach(lambda: emit(Noted(text=_STOPPING)))
                return await fleet.run(config, targets, directory=directory, cache=cache, emit=emit)

            outcome = awaited(work())
            # All that is left is to tell how it ended, as well as that goes.
            fleet.outlive_terminal()
        return display.board, exit_codes.exit_code(outcome, interrupt.number)

    @contextlib.contextmanager
    def _events(self) -> Iterator[Callable[[Event], Warned | None]]:
        if not self.events_file:
            yield lambda event: None
            return
        try:
            # Unbuffered: a line that could not be written must not be tried again when the file is closed.
            file = Path(self.events_file).open("ab", buffering=0)  # noqa: SIM115 - closed below
        except OSError as error:
            raise UsageError(f"--events {self.events_file}: {error.strerror}", hint="name another file") from None
        with file:
            yield EventWriter(file).write


class EventWriter:
    """The file of --events. The backup goes on without it when it takes no more."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lost = ""

    def write(self, event: Event) -> Warned | None:
        """Write `event` as a line; return a warning the first time that this fails."""
        if self._lost:
            return None
        line = event_line(event).encode() + b"\n"
        try:
            self._lost = "" if self._file.write(line) == len(line) else "a line was cut off"
        except OSError as error:
            self._lost = error.strerror or str(error)
        text = f"--events {self._file.name}: {self._lost}: no more events are written to it"
        return Warned(text=text, hint="the run goes on, and its report is complete") if self._lost else None


@dataclass
class _End:
    """How a run ended, for a monitor: an exit code, and a line without a name in it."""

    code: int = exit_codes.FAILED
    line: str = ""
    needs_a_look: bool = False


@contextlib.contextmanager
def _pinging(url: str) -> Iterator[_End]:
    """Ping the monitor at `url`, if any, when the run begins and when it ends: with `_End`, or with the error."""
    end = _End()
    if not url:
        yield end
        return
    ping = Ping(url)
    ping.start()
    try:
        yield end
    except BaseException as error:
        end.code, end.line = exit_codes.error_code(error), "the run could not begin, or was cut short"
        raise
    finally:
        # To a monitor these are no success: this run backed nothing up, or an operator has to look at the target.
        well = end.code in {exit_codes.DONE, exit_codes.WARNINGS} and not end.needs_a_look
        if problem := ping.finish(end.code, f"exit code {end.code}: {end.line}\n", well=well):
            message_warning(f"the ping of [Notify] Ping that reports the end of the run failed: {problem}", _UNAFFECTED)


class Textfile:
    """The file of --metrics, for node_exporter's textfile collector, which reads files named *.prom."""

    def __init__(self, name: str) -> None:
        """Refuse, before anything is backed up, what could not be written later. Raises UsageError."""
        self._path = Path(name)
        folder = self._path.parent
        if self._path.exists() and not self._path.is_file():
            raise UsageError(f"--metrics {name}: is not a file", hint=_TEXTFILE_HINT)
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"--metrics {name}: cannot create a file in {folder}", hint=_TEXTFILE_HINT)

    def update(self, board: Board, *, targets: list[str], exit_code: int) -> None:
        """Replace the file, for everybody to read; what is in it of other targets stays. Warns when that fails."""
        previous = ""
        with contextlib.suppress(OSError):
            previous = self._path.read_text(encoding="utf-8", errors="replace")
        text = metrics.text(board, targets=targets, exit_code=exit_code, previous=previous)
        try:
            files.replace(self._path, text.encode(), mode=0o644)
        except OSError as error:
            message_warning(f"--metrics {self._path}: {error.strerror}", "the file is as it was before this run")
