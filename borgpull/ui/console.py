"""The only owner of stdout and stderr. The rules of output:

- stdout is what was asked for: a JSON report, a key, the answer of `status` or `doctor`. JSON is never coloured.
- stderr is for people: the table of a run, its lines, its summary, errors.
- A table that repaints needs a terminal on stderr and a TERM other than "dumb". Everywhere else: whole lines.
- NO_COLOR takes the colour away anywhere; FORCE_COLOR brings it to a pipe, but never the repainting.
- Colour repeats what a word already says. Nothing is said by colour alone.
- An error is two lines: "error: PARTY: CAUSE", then "hint: WHAT TO DO" where something useful can be said.
  Lines "found: WHAT" between them name the traces of tampering.
- Text is never read as rich markup, and is cleaned here (`labelled`, `table`) or by the board, wherever it comes from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TextIO, cast

from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import CONTROLLER, Failure, Problem
from ..results import Report
from ..untrusted import shown

_WIDE = 10_000
_OFF = {"", "0", "false", "no"}

STYLES = {
    **dict.fromkeys(("error", "found", "failed", "tampered", "unverifiable"), "bold red"),
    **dict.fromkeys(("never", "unknown", "UNKNOWN", "critical"), "bold red"),
    **dict.fromkeys(("warning", "busy", "held", "interrupted", "stale", "failing", "changed"), "yellow"),
    **dict.fromkeys(("done", "ok"), "green"),
    **dict.fromkeys(("waiting", "not started", "not-due", "absent"), "dim"),
    **{"hint": "cyan", "running": "bold", "note": ""},
}


def repaints(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    return stream.isatty() and environ.get("TERM", "dumb") not in {"", "dumb", "unknown"}


def coloured(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether `stream` may get colour; NO_COLOR wins over FORCE_COLOR."""
    if environ.get("NO_COLOR"):
        return False
    return environ.get("FORCE_COLOR", "").lower() not in _OFF or repaints(stream, environ)


# The console that shows a table now: what is printed around it would tear it.
_showing: list[Console] = []


@contextmanager
def showing(console: Console) -> Iterator[None]:
    """Make `console` the one that messages go through for as long as it shows a table."""
    _showing.append(console)
    try:
        yield
    finally:
        _showing.remove(console)


def people() -> Console:
    """Return the console on stderr that messages go through now."""
    if _showing:
        return _showing[-1]
    # sys.stderr is None when the process was started with stderr closed.
    return console_on(sys.stderr or Path(os.devnull).open("w", encoding="utf-8"))


def console_on(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Console:
    """Return a rich console on `stream` that obeys the rules of this room, whatever rich would choose."""
    colour = coloured(stream, environ)
    terminal = repaints(stream, environ)
    # rich sends no escape codes where there is no terminal: colour in a pipe has to be forced.
    console = Console(
        file=cast("TextIO", Lasting(stream)),
        force_terminal=terminal or colour,
        force_interactive=terminal,
        no_color=not colour,
        color_system="auto" if terminal and colour else ("standard" if colour else None),
        markup=False,
        emoji=False,
        highlight=False,
        # We never break lines: a hint is a command to copy.
        soft_wrap=True,
        legacy_windows=False,
    )
    _never_refuse(stream)
    return console


def terminal_size(stream: IO[str]) -> tuple[int, int]:
    """Return columns and rows of the terminal on `stream`, as they are now: COLUMNS does not follow a resize."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    # Some containers' terminals say 0x0.
    return columns or 80, rows or 24


def _never_refuse(stream: TextIO) -> None:
    """Let a stream that knows ASCII only print "?" for the rest, one column each, instead of raising."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure and (stream.encoding or "").lower().replace("-", "") != "utf8":
        reconfigure(errors="replace")


def data(text: str) -> None:
    """Print `text` on stdout, for programs: UTF-8 in any locale. Raises Failure when stdout does not take it."""
    output = Output(for_programs=True)
    output.write(text if text.endswith("\n") else text + "\n")
    output.close()


class Output:
    """Standard output, written to piece by piece. Its reader may go away: what failed is raised by `close` alone."""

    def __init__(self, *, for_programs: bool = False) -> None:
        self._error: OSError | None = None
        if for_programs and isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        else:
            _never_refuse(sys.stdout)

    def write(self, text: str) -> None:
        """Write `text`, or drop it where nothing is taken any more."""
        if self._error is None:
            try:
                sys.stdout.write(text)
            except OSError as error:
                self._error = error

    def close(self) -> None:
        """Send on what was written. Raises Failure when stdout did not take all of it."""
        try:
            if self._error is not None:
                raise self._error
            sys.stdout.flush()
        except OSError as error:
            give_up(sys.stdout)
            raise Failure(
                CONTROLLER,
                f"could not write to standard output: {error.strerror}",
                hint="everything else completed; check the reading program, or the disk it is redirected to",
            ) from None


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    fold: Sequence[str] = (),
    right: Sequence[str] = (),
    gap: int = 2,
) -> Table:
    """Return a table; the columns to `fold` are broken where there is no room. Cells that are no Text are cleaned."""
    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for title in columns:
        folds = title in fold
        justify: JustifyMethod = "right" if title in right else "left"
        made.add_column(title, justify=justify, no_wrap=not folds, overflow="fold" if folds else "ellipsis")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    return made


def print_result(report: Report, parts: Iterable[RenderableType], *, as_json: bool) -> None:
    """Print the answer of a command on stdout: `report` as JSON, or `parts` for people."""
    if as_json:
        data(report.text)
    else:
        answer(parts)


def answer(parts: Iterable[RenderableType]) -> None:
    """Print tables and lines on stdout: the answer of a command."""
    console = console_on(sys.stdout or Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    # A table in a pipe has its full width.
    console.width = terminal_size(console.file)[0] if console.file.isatty() else _WIDE
    for part in parts:
        console.print(part)
    console.file.flush()


def problem_lines(problem: Problem, label: str = "error") -> list[Text]:
    """Return the lines of a problem: whose it is and what, the traces of tampering, and what to do."""
    head = f"{problem.party}: {problem.cause}" if problem.party else problem.cause
    lines = [labelled(label, head), *(labelled("found", finding) for finding in problem.findings)]
    return [*lines, labelled("hint", problem.hint)] if problem.hint else lines


def warning_lines(text: str, hint: str = "") -> list[Text]:
    return problem_lines(Problem("", text, hint), "warning")


def labelled(label: str, text: str) -> Text:
    return Text.assemble((f"{label}:", STYLES[label]), f" {shown(text)}")


def message_warning(text: str, hint: str = "") -> None:
    message_lines(warning_lines(text, hint))


def message_note(text: str) -> None:
    message_lines([Text(shown(text))])


def message_lines(lines: Iterable[Text]) -> None:
    console = people()
    for line in lines:
        console.print(line)


class Lasting:
    """A stream for people that cannot fail: when its reader goes away, output is dropped.

    A backup must not end because a terminal was closed or `head` had enough. Without this, rich keeps what it
    could not write for ever, and on a broken pipe it ends the process (rich 15.0, `Console.on_broken_pipe`).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def isatty(self) -> bool:
        with suppress(ValueError):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the file descriptor. Raises OSError or ValueError where there is none."""
        return self._stream.fileno()

    def _give_up(self, error: Exception) -> None:
        # A terminal that another program made non-blocking is only busy: the next redraw may pass.
        if isinstance(error, BlockingIOError):
            return
        give_up(self._stream)


def give_up(stream: TextIO) -> None:
    """Lead `stream` nowhere: what Python holds for it would fail again at exit, and turn the exit code into 120."""
    with suppress(OSError, ValueError), Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), stream.fileno())
