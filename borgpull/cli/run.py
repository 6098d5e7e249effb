"""`borgpull run`, which is also `borgpull` alone: back up every target of the config."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from plumbum import cli

from .. import files, fleet, ui
from ..config import Config, Target
from ..errors import UsageError
from ..events import Emit, Event, Outcome, Warned
from ..fleet import Interrupt
from ..notify import Ping, on_finish
from ..ui import console, metrics, report, summary
from ..ui.board import Board
from ..ui.console import message_warning
from ..ui.report import event_line
from . import exit_codes
from .base import awaited, private_directory
from .targets import SelectingCommand

_TEXTFILE_HINT = "name a file in a folder that exists and that this user may write to"


class Run(SelectingCommand):
    """At most Jobs of them are backed up side by side."""

    EXIT_CODES = exit_codes.OF_RUN
    quiet = cli.Flag(["-q", "--quiet"], help="print only what went wrong")
    verbose = cli.Flag(["-v", "--verbose"], excludes=["--quiet"], help="print what borg and ssh said")
    check = cli.Flag(["--check"], excludes=["--no-check"], help="check every repository, due or not (CheckEvery)")
    no_check = cli.Flag(["--no-check"], help="check no repository in this run")
    json = cli.Flag(["--json"], help="print one JSON report on stdout when all is done")
    events_file = cli.SwitchAttr(["--events"], str, argname="FILE", help="write each event to FILE as a line of JSON")
    metrics_file = cli.SwitchAttr(
        ["--metrics"], str, argname="FILE", help="write a textfile for Prometheus' node_exporter to FILE at the end"
    )
    no_notify = cli.Flag(["--no-notify"], help="tell neither Ping nor OnFinish of [Notify], e.g. in a run by hand")

    def main(self) -> int:
        textfile = Textfile(self.metrics_file) if self.metrics_file else None
        with contextlib.ExitStack() as told:
            with private_directory() as directory:
                config = self.config(directory)
                if self.check or self.no_check:
                    config = dataclasses.replace(config, check_every=0.0 if self.check else math.inf)
                end = told.enter_context(_pinging(self._ping(config)))
                board, code = self._back_up(config, directory)
            if textfile:
                self._write_metrics(textfile, board, code, config)
            self._report(board, code, config)
            end.code, end.line = code, summary.in_one_line(board, board.run.finished or 0.0)
            end.held = any(row.outcome is Outcome.HELD for row in board.rows.values())
        return code

    def _ping(self, config: Config) -> str:
        if self.no_notify or not config.notify.ping:
            return ""
        shard = self.selection().shard
        return config.notify.ping.get_secret_value().replace("{shard}", str(shard.index if shard else 0))

    def _report(self, board: Board, code: int, config: Config) -> None:
        command = "" if self.no_notify else config.notify.on_finish
        if command and (problem := awaited(on_finish(command, report.dumps(board).encode(), exit_code=code))):
            _warn(f"the command of [Notify] OnFinish failed: {problem}")
        if self.json:
            console.data(report.dumps(board))

    def _back_up(self, config: Config, directory: Path) -> tuple[Board, int]:
        targets = self.selected(config, quiet=self.quiet)
        cache = self.cache()
        with self._events() as write, ui.open_display(quiet=self.quiet, verbose=self.verbose) as display:

            def emit(event: Event) -> None:
                lost = write(event)
                display.handle(event)
                if lost:
                    display.handle(lost)

            outcome, interrupt = awaited(_run(config, targets, directory, cache, emit))
        return display.board, exit_codes.exit_code(outcome, interrupt.number)

    def _write_metrics(self, textfile: Textfile, board: Board, code: int, config: Config) -> None:
        every = [target.name for target in self.selection().of_shard(config)]
        text = metrics.text(board, targets=every, exit_code=code, previous=textfile.read())
        try:
            textfile.replace(text)
        except OSError as error:
            message_warning(f"--metrics {self.metrics_file}: {error.strerror}", "the file is as it was before this run")

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
            yield _writer(file)


def _writer(file: IO[bytes]) -> Callable[[Event], Warned | None]:
    """Return what writes an event, and returns a warning when the file takes no more: the backup goes on without it."""
    lost = False

    def write(event: Event) -> Warned | None:
        nonlocal lost
        line = event_line(event).encode() + b"\n"
        if lost:
            return None
        try:
            lost = file.write(line) != len(line)
            reason = "a line was cut off"
        except OSError as error:
            lost, reason = True, error.strerror or str(error)
        if not lost:
            return None
        return Warned(
            text=f"--events {file.name}: {reason}: no more events are written to it",
            hint="the run goes on, and its report is complete",
        )

    return write


async def _run(
    config: Config, targets: tuple[Target, ...], directory: Path, cache: Path, emit: Emit
) -> tuple[Outcome, Interrupt]:

    interrupt = fleet.Interrupt()
    hint = "a second signal, such as Ctrl-C, stops it at once"
    interrupt.attach(lambda: emit(Warned(text="it stops: each borg writes a checkpoint first", hint=hint)))
    return await fleet.run(config, targets, directory=directory, cache=cache, emit=emit), interrupt


@dataclasses.dataclass
class _End:
    """How a run ended, for a monitor: an exit code, and a line without a name in it."""

    code: int = exit_codes.FAILED
    line: str = ""
    held: bool = False


@contextlib.contextmanager
def _pinging(url: str) -> Iterator[_End]:
    """Tell the monitor at `url`, if any, that a run begins, and on leaving what `_End` says, or the error that left."""
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
        # To a monitor a held target is no success: somebody has to look.
        well = end.code in {exit_codes.DONE, exit_codes.WARNINGS} and not end.held
        if problem := ping.finish(end.code, f"exit code {end.code}: {end.line}\n", well=well):
            _warn(f"the monitor of [Notify] Ping was not told how the run ended: {problem}")


def _warn(text: str) -> None:
    message_warning(text, "the run and its exit code are as they were without it")


class Textfile:
    """The file of --metrics, for node_exporter's textfile collector, which reads those that are called *.prom."""

    def __init__(self, name: str) -> None:
        """Refuse, before anything is backed up, what could not be written later. Raises UsageError."""
        self._path = Path(name)
        folder = self._path.parent
        if self._path.exists() and not self._path.is_file():
            raise UsageError(f"--metrics {name}: is not a file", hint=_TEXTFILE_HINT)
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"--metrics {name}: a file cannot be made in {folder}", hint=_TEXTFILE_HINT)

    def read(self) -> str:
        """Return what the file holds; nothing, where there is none or it cannot be read."""
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def replace(self, text: str) -> None:
        """Put a file with `text` in its place that everybody may read. Raises OSError."""
        files.replace(self._path, text.encode(), mode=0o644)
