"""Telling others of a run: the monitor of the config's Ping, and the command of its OnFinish.

Neither fails a run, nor changes its exit code: what goes wrong with them is a warning.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from . import exits
from .command import awaited


@dataclass
class End:
    """How a run ended, for a monitor: an exit code, and a line without a name in it."""

    code: int = exits.FAILED
    line: str = ""


@contextlib.contextmanager
def pinging(url: str) -> Iterator[End]:
    """Tell the monitor at `url`, if any, that a run begins, and on leaving what `End` says, or the error that left."""
    end = End()
    if not url:
        yield end
        return
    from ..notify import Ping  # noqa: PLC0415 - `--help` shall answer at once

    ping = Ping(url)
    ping.start()
    try:
        yield end
    except BaseException as error:
        end.code, end.line = exits.error_code(error), "the run could not begin, or was cut short"
        raise
    finally:
        well = end.code in {exits.DONE, exits.WARNINGS}
        if problem := ping.finish(end.code, f"exit code {end.code}: {end.line}\n", well=well):
            _warn(f"the monitor of [Notify] Ping was not told how the run ended: {problem}")


def run_on_finish(command: str, report: str, *, exit_code: int) -> None:
    """Run the operator's command, if any, with the JSON report on its stdin."""
    if not command:
        return
    from ..notify import on_finish  # noqa: PLC0415

    if problem := awaited(on_finish(command, report.encode(), exit_code=exit_code)):
        _warn(f"the command of [Notify] OnFinish failed: {problem}")


def _warn(text: str) -> None:
    from ..ui.console import message_warning  # noqa: PLC0415

    message_warning(text, "the run and its exit code are as they were without it")
