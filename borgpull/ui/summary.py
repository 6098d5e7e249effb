"""The end of a run in words: what each target did, then every warning, failure and trace of tampering.

Pure: returns lines, or a table and lines; `display` prints them. It stays when the live table is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import plural
from ..events import WORST_FIRST, Outcome, Step
from ..format import counts, number, size, span
from .board import WAITING, Board, Row, closed, totals
from .console import STYLES, labelled, problem_lines, table, warning_lines
from .lines import read_and_new, stamped, time_taken, what_it_did

NOT_STARTED = "not started"

# Below this width the archive's name has no column: what was added is said by its size.
_WIDE = 110


def summary_lines(board: Board, now: float) -> list[Text]:
    """Return the summary as lines of a log: targets that did not end well, with warnings and failures, and the totals.

    A target that ended without any has a line of its own already.
    """
    ended = {name for name, row in board.rows.items() if row.finished is not None}
    board = closed(board)
    lines = [
        stamped(now, row.name, line)
        for row in board.rows.values()
        if row.name not in ended or _problems(row)
        for line in (what_it_did(row, _outcome(row), now), *_problems(row))
    ]
    return lines + [stamped(now, "", line) for line in (*_of_run(board), last_line(board, now))]


def summary_table(board: Board, now: float, width: int) -> list[RenderableType]:
    """Return the summary for a terminal of `width` columns: a table, then warnings and failures by target."""
    board = closed(board)
    parts: list[RenderableType] = [_table(board, now, wide=width >= _WIDE)] if board.rows else []
    for row in board.rows.values():
        problems = _problems(row)
        if problems or row.outcome is Outcome.INTERRUPTED:
            parts += [Text(""), Text.assemble(f"{row.name}: ", what_it_did(row, _outcome(row), now)), *problems]
    parts += [Text(""), *_of_run(board)]
    return [*parts, last_line(board, now)]


def _table(board: Board, now: float, *, wide: bool) -> Table:
    figures = ["files", "read", "new", "check", "time"]
    columns = ["target", "outcome", *figures, *(["archive"] if wide else [])]
    rows = [_cells(row, now)[: len(columns)] for row in board.rows.values()]
    return table(columns, rows, fold=["target", "archive"], right=figures)


def _cells(row: Row, now: float) -> list[str | Text]:
    spent, outcome = row.elapsed(now), _outcome(row)
    return [
        row.name,
        Text(outcome, style=STYLES.get(outcome, "")),
        number(row.sizes.files) if row.sizes else "",
        size(row.sizes.original) if row.sizes else "",
        size(row.sizes.new) if row.sizes else "",
        _checked(row),
        span(spent) if spent is not None else "",
        row.archive.name if row.archive else "",
    ]


def _checked(row: Row) -> str:
    """Return how `borg check` ended, "skipped" where it was not due, nothing where the target never came to it."""
    checks = [step for step in row.steps if step.step is Step.CHECK]
    if not checks or checks[-1].open:
        return ""
    return "skipped" if checks[-1].skipped else str(checks[-1].outcome)


def _of_run(board: Board) -> list[Text]:
    """Return the problems of the run itself, and how to go on after an interrupt."""
    go_on = "run the same command again: it goes on from the checkpoints; add `--only NAME` for some of the targets"
    return _problems(board.run) + ([labelled("hint", go_on)] if board.run.outcome is Outcome.INTERRUPTED else [])


def _problems(row: Row) -> list[Text]:
    lines: list[Text] = []
    for warning in row.warnings:
        lines += warning_lines(warning.text, warning.hint)
    if row.warning_count > len(row.warnings):
        lines += warning_lines(f"{plural(row.warning_count - len(row.warnings), 'warning')} more")
    for failure in row.failures:
        lines += problem_lines(failure)
    return lines


def last_line(board: Board, now: float) -> Text:
    """Return how many targets ended how, and what was read: no name of anything."""
    every = totals(board.rows.values(), now)
    words = [f"{plural(len(board.rows), 'target')}: {_ends(board.rows.values())}"] if board.rows else ["no target"]
    words += [*read_and_new(every.sizes), *time_taken(board.run, now)]
    return Text(", ".join(words), style="bold")


def _ends(rows: Iterable[Row]) -> str:
    ends = Counter(map(_outcome, rows))
    return counts({end: ends[end] for end in (*reversed(WORST_FIRST), NOT_STARTED)})


def _outcome(row: Row) -> str:
    return NOT_STARTED if row.state == WAITING else row.state
