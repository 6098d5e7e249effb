"""`borgpull run`, which is also `borgpull` alone: back up every target of the config."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from plumbum import cli

from ..errors import UsageError
from ..events import Emit, Event, Outcome
from .command import ConfiguredCommand
from .exits import exit_code

if TYPE_CHECKING:
    from ..config import Config
    from ..fleet import Interrupt


class Run(ConfiguredCommand):
    """Back up every target of the config, at most Jobs of them side by side."""

    PROGNAME = "borgpull run"
    quiet = cli.Flag(["-q", "--quiet"], help="print only what went wrong")
    verbose = cli.Flag(["-v", "--verbose"], excludes=["--quiet"], help="print what borg and ssh said")
    json = cli.Flag(["--json"], help="print one JSON report on stdout when all is done")
    events_file = cli.SwitchAttr(["--events"], str, argname="FILE", help="write each event to FILE as a line of JSON")

    def main(self) -> int:
        """Run; return the exit code."""
        import asyncio  # noqa: PLC0415 - `--help` shall answer at once

        from .. import rundir, ui  # noqa: PLC0415
        from ..ui import console, report  # noqa: PLC0415

        if sys.version_info < (3, 12):
            # The default of 3.11 keeps a thread for each process; later versions choose this one by themselves.
            asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
        rundir.harden()
        with rundir.private_directory() as directory:
            config = self.config(directory)
            cache = self.cache()
            with self._events() as write, ui.open_display(quiet=self.quiet, verbose=self.verbose) as display:

                def emit(event: Event) -> None:
                    write(event)
                    display.handle(event)

                outcome, interrupt = asyncio.run(_run(config, directory, cache, emit))
            if self.json:
                console.data(report.dumps(display.board))
            return exit_code(outcome, interrupt.number)

    @contextlib.contextmanager
    def _events(self) -> Iterator[Emit]:
        if not self.events_file:
            yield lambda event: None
            return
        try:
            file = Path(self.events_file).open("a", encoding="utf-8")  # noqa: SIM115 - closed below
        except OSError as error:
            raise UsageError(f"--events {self.events_file}: {error.strerror}", hint="name another file") from None
        with file:
            yield _writer(file)


def _writer(file: IO[str]) -> Emit:
    from ..ui.report import event_line  # noqa: PLC0415

    def write(event: Event) -> None:
        file.write(event_line(event) + "\n")
        file.flush()

    return write


async def _run(config: Config, directory: Path, cache: Path, emit: Emit) -> tuple[Outcome, Interrupt]:
    from .. import fleet  # noqa: PLC0415

    interrupt = fleet.Interrupt()
    interrupt.attach()
    return await fleet.run(config, directory=directory, cache=cache, emit=emit), interrupt
