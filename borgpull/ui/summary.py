"""The end of a run in words: what each target did, then every warning, failure and trace of tampering.

Pure: returns lines, or a table and lines; `display` and `live` print them. It stays when the table is gone.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import plural
from ..events import WORST_FIRST, Step
from .board import WAITING, Board, Row, closed, totals
from .console import STYLES, problem_lines, warning_lines
from .format import counts, number, size, span
from .lines import stamped, what_it_did

NOT_STARTED = "not started"

# Below this width the archive's name has no column: what was added is said by its size.
_WIDE = 110


def summary_lines(board: Board, now: float) -> list[Text]:
    """Return the summary as lines of a log: whoever did not end well, with warnings and failures, and the totals.

    A target that ended without any has said so in a line of its own.
    """
    ended = {name for name, row in board.rows.items() if row.finished is not None}
    board = closed(board)
    lines = [
        stamped(now, row.name, line)
        for row in board.rows.values()
        if row.name not in ended or _troubles(row)
        for line in (what_it_did(row, _outcome(row), now), *_troubles(row))
    ]
    return lines + [stamped(now, "", line) for line in (*_troubles(board.run), _last_line(board, now))]


def summary_table(board: Board, now: float, width: int) -> list[RenderableType]:
    """Return the summary for a terminal of `width` columns: a table, then warnings and failures by target."""
    board = closed(board)
    parts: list[RenderableType] = [_table(board, now, wide=width >= _WIDE)] if board.rows else []
    for row in board.rows.values():
        troubles = _troubles(row)
        if troubles:
            parts += [Text(""), Text.assemble(f"{row.name}: ", what_it_did(row, _outcome(row), now)), *troubles]
    parts += [Text(""), *_troubles(board.run)]
    return [*parts, _last_line(board, now)]


def in_one_line(board: Board, now: float) -> str:
    """Return how many targets ended how, and what was read: no name of anything."""
    return _last_line(closed(board), now).plain


def _table(board: Board, now: float, *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("target", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    for title in ("files", "read", "new", "check", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    if wide:
        table.add_column("archive", overflow="fold")
    for row in board.rows.values():
        sizes = row.sizes
        spent = row.elapsed(now)
        cells = [
            Text(row.name),
            Text(_outcome(row), style=STYLES.get(_outcome(row), "")),
            Text(number(sizes.files) if sizes else ""),
            Text(size(sizes.original) if sizes else ""),
            Text(size(sizes.new) if sizes else ""),
            Text(_checked(row)),
            Text(span(spent) if spent is not None else ""),
            *([Text(row.archive.name if row.archive else "")] if wide else []),
        ]
        table.add_row(*cells)
    return table


def _checked(row: Row) -> str:
    """Return how `borg check` ended, "skipped" where it was not due, nothing where the target never came to it."""
    checks = [step for step in row.steps if step.step is Step.CHECK]
    if not checks or checks[-1].open:
        return ""
    return "skipped" if checks[-1].skipped else str(checks[-1].outcome)


def _troubles(row: Row) -> list[Text]:
    lines: list[Text] = []
    for warning in row.warnings:
        lines += warning_lines(warning.text, warning.hint)
    if row.warning_count > len(row.warnings):
        lines += warning_lines(f"{plural(row.warning_count - len(row.warnings), 'warning')} more")
    for failure in row.failures:
        lines += problem_lines(failure)
    return lines


def _last_line(board: Board, now: float) -> Text:
    every = totals(board.rows.values(), now)
    spent = board.run.elapsed(now)
    words = [f"{plural(every.targets, 'target')}: {_ends(board.rows.values())}"] if every.targets else ["no target"]
    words += [f"{size(every.sizes.original)} read", f"{size(every.sizes.new)} new"]
    if spent is not None:
        words.append(f"in {span(spent)}")
    return Text(", ".join(words), style="bold")


def _ends(rows: Iterable[Row]) -> str:
    ends = dict.fromkeys([*(outcome.value for outcome in reversed(WORST_FIRST)), NOT_STARTED], 0)
    for row in rows:
        ends[_outcome(row)] += 1
    return counts(ends)


def _outcome(row: Row) -> str:
    return NOT_STARTED if row.state == WAITING else row.state
