"""The live table of one moment, as lines that fit a screen of a given size. Draws nothing, reads no clock.

Built of segments instead of a rich Table, which took twenty times as long with 50 rows (rich 15.0).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from ..errors import plural
from ..format import UNKNOWN, counts, number, percent, rate, size, span
from .board import BAD, RUNNING, WAITING, Board, Row, totals
from .console import STYLES

Line = tuple[Segment, ...]

_GAP = "  "
_LONGEST_NAME = 20
_HEAD = Style(bold=True)
_STATE_STYLES = {state: Style.parse(style) for state, style in STYLES.items()}


@dataclass(frozen=True)
class Column:
    """One column; the one with the lowest `worth` is the first to go on a narrow screen."""

    title: str
    width: int
    worth: int
    cell: Callable[[Row, float], str]
    right: bool = True


@dataclass(frozen=True)
class Frame:
    """Lines ready to be shown by rich."""

    lines: tuple[Line, ...]

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()


def frame(board: Board, *, now: float, width: int, height: int) -> Frame:
    """Return the table of `board` in at most `width` columns and `height` rows."""
    rows = list(board.rows.values())
    columns = _fitting(rows, width)
    room = max(0, height - 2)
    pressing = [row for state in (RUNNING, *BAD) for row in rows if row.state == state]
    shown = rows if len(rows) <= room else pressing[: max(0, room - 1)]
    lines = [_header(columns, width), *(_row_line(row, columns, now, width) for row in shown)]
    if len(shown) < len(rows) and room:
        lines.append((Segment(_fit("+" + _rest(rows, shown), width)),))
    lines.append(_totals_line(board, columns, now, width))
    return Frame(tuple(lines[-height:]))


def _rest(rows: Sequence[Row], shown: Sequence[Row]) -> str:
    names = {row.name for row in shown}
    hidden = Counter(row.state for row in rows if row.name not in names)
    return counts(dict.fromkeys((RUNNING, WAITING), 0) | dict(hidden))


def _header(columns: Sequence[Column], width: int) -> Line:
    return (Segment(_fit(_joined([(column, column.title) for column in columns]), width), _HEAD),)


def _row_line(row: Row, columns: Sequence[Column], now: float, width: int) -> Line:
    name, state = columns[0], columns[1]
    head = _fit(row.name, name.width) + _GAP
    word = _fit(state.cell(row, now), state.width)
    if width <= cell_len(head) + state.width:
        return (Segment(_fit(head + word, width)),)
    if row.failures:
        rest = f"{row.failures[0].party}: {row.failures[0].cause}"
    else:
        rest = _joined([(column, column.cell(row, now)) for column in columns[2:]])
    room = width - cell_len(head) - state.width
    style = _STATE_STYLES.get(row.state) if row.state != RUNNING else None
    return (Segment(head), Segment(word, style), Segment(_fit(_GAP + rest, room).rstrip()))


def _totals_line(board: Board, columns: Sequence[Column], now: float, width: int) -> Line:
    every = totals(board.rows.values(), now)
    ended = len(board.rows) - every.states[RUNNING] - every.states[WAITING]
    cells = {
        "target": "total",
        "step": f"{ended}/{len(board.rows)}",
        "files": number(every.sizes.files),
        "read": size(every.sizes.original),
        "new": size(every.sizes.new),
        "speed": _known(every.speed, rate),
        "time": _known(board.run.elapsed(now), span),
        "note": counts(dict(every.states)),
    }
    return (Segment(_fit(_joined([(each, cells.get(each.title, "")) for each in columns]), width).rstrip(), _HEAD),)


def _joined(cells: Sequence[tuple[Column, str]]) -> str:
    return _GAP.join(_fit(text, column.width, right=column.right) for column, text in cells)


def _fit(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` in exactly `width` columns; what does not fit ends in an ellipsis."""
    wide = len(text) if text.isascii() else cell_len(text)
    if wide > width:
        return set_cell_size(text, width - 1) + UNKNOWN if width > 0 else ""
    padding = " " * (width - wide)
    return padding + text if right else text + padding


def _fitting(rows: Sequence[Row], width: int) -> list[Column]:
    """Return the columns that have room, the note with all that is left over."""
    longest = max((cell_len(row.name) for row in rows), default=0)
    name = Column("target", min(max(longest, 6), _LONGEST_NAME), 99, lambda row, _now: row.name, right=False)
    columns = [name, *_COLUMNS]
    while len(columns) > 2 and _taken(columns) > width:
        columns.remove(min(columns, key=lambda column: column.worth))
    if columns[-1].title == "note":
        note = columns.pop()
        wider = note.width + width - _taken([*columns, note])
        columns.append(Column(note.title, wider, note.worth, note.cell, right=False))
    return columns


def _taken(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _step(row: Row, _now: float) -> str:
    return row.current.step.value if row.state == RUNNING and row.current else row.state


def _progress(row: Row, _now: float) -> str:
    done = row.progress
    return percent(done.fraction, estimated=done.estimated) if done else _unknown(row)


def _left(row: Row, now: float) -> str:
    seconds = row.left(now)
    return f"~{span(seconds)}" if seconds is not None else _unknown(row)


def _unknown(row: Row) -> str:
    return UNKNOWN if row.state == RUNNING else ""


def _known(figure: float | None, words: Callable[[float], str]) -> str:
    return "" if figure is None else words(figure)


def _note(row: Row, now: float) -> str:
    silent = row.silence(now)
    if silent is not None:
        return f"no news for {span(silent)}"
    if row.warning_count:
        return f"{plural(row.warning_count, 'warning')}: {row.warnings[-1].text}"
    return row.note


_COLUMNS = (
    Column("step", 12, 98, _step, right=False),
    Column("done", 4, 90, _progress),
    Column("files", 7, 20, lambda row, _now: number(row.sizes.files) if row.sizes else ""),
    Column("read", 7, 80, lambda row, _now: size(row.sizes.original) if row.sizes else ""),
    Column("new", 7, 70, lambda row, _now: size(row.sizes.new) if row.sizes else ""),
    Column("speed", 9, 30, lambda row, now: _known(row.speed(now), rate)),
    Column("time", 6, 60, lambda row, now: _known(row.elapsed(now), span)),
    Column("left", 7, 50, _left),
    Column("note", 16, 10, _note, right=False),
)
