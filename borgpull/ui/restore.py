"""What `restore` and `drill` show to people: a percentage on the way, then a report.

The reports are pure: lines, or a table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import Problem, plural, target_party
from ..events import Event, PercentProgress, Step
from ..results import Compared, Drilled, Restored
from ..untrusted import shown
from .archives import closed_lines
from .console import STYLES, labelled, people, problem_lines, repaints, terminal_size, warning_lines
from .format import percent, size

_CLEAR = "\r\x1b[2K"
_REPAINT_SECONDS = 0.2
_LINE_SECONDS = 60.0

_HINT = (
    "check the disk of the backup server, and run `borg check --verify-data`; other archives may still have what this "
    "one has lost"
)


class Percentage:
    """The progress of an extraction, of events alone, on stderr. `end` before anything else is printed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = people()
        self._repaints = repaints(self._console.file)
        self._clock = clock
        self._next = clock() + (0.0 if self._repaints else _LINE_SECONDS)
        self._shows = False

    def handle(self, event: Event) -> None:
        if not isinstance(event, PercentProgress) or event.step is not Step.EXTRACT or self._clock() < self._next:
            return
        done = percent(event.current / event.total, estimated=False)
        text = f"{event.target}: extracting {done}, {size(event.current)} of {size(event.total)}"
        if self._repaints:
            self._next = self._clock() + _REPAINT_SECONDS
            columns, _ = terminal_size(self._console.file)
            self._console.file.write(_CLEAR + shown(text)[: columns - 1])
            self._console.file.flush()
            self._shows = True
        else:
            self._next = self._clock() + _LINE_SECONDS
            self._console.print(shown(text))

    def end(self) -> None:
        if self._shows:
            self._console.file.write(_CLEAR)
            self._console.file.flush()
            self._shows = False


def restored_lines(restored: Restored) -> Iterator[Text]:
    done = "would restore" if restored.dry_run else "restored"
    what = f"{plural(restored.items, 'item')}, {size(restored.size)}, of {shown(restored.archive.name)}"
    yield Text(f"{done} {what} to {shown(restored.folder)} on {shown(restored.party)}")
    for warning in restored.warnings:
        yield from warning_lines(f"borg extract: {warning}")
    if restored.warned > len(restored.warnings):
        yield from warning_lines(f"borg extract: {restored.warned - len(restored.warnings)} more warnings")
    for note in restored.notes:
        yield labelled("note", note)
    if restored.compared:
        yield from _comparison(restored.compared)


def _comparison(compared: Compared) -> Iterator[Text]:
    for difference in compared.differences:
        yield labelled("error", difference)
    said = f"read again: {plural(compared.same, 'item')} as in the archive"
    if compared.different:
        said += f", {compared.different} not"
    if compared.unsure:
        said += f", of {compared.unsure} it cannot be told"
    yield Text(said)


def drilled_lines(drilled: Sequence[Drilled], *, seed: int) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("target", "result", "archive", "read back", "of"):
        table.add_column(title, overflow="fold", no_wrap=title == "result")
    for each in drilled:
        result = Text("ok", style=STYLES["done"]) if each.good else Text("failed", style=STYLES["failed"])
        table.add_row(Text(shown(each.target)), result, *map(Text, _cells(each)))
    parts: list[RenderableType] = [table]
    for each in drilled:
        parts += _trouble(each)
    good = sum(each.good for each in drilled)
    return [*parts, Text(f"{good} of {plural(len(drilled), 'target')} can be read back, by --seed {seed}")]


def _cells(drilled: Drilled) -> tuple[str, str, str]:
    if drilled.archive is None:
        return "", "", ""
    return (
        shown(drilled.archive.name),
        f"{plural(drilled.picked, 'file')}, {size(drilled.picked_size)}",
        f"{plural(drilled.files, 'file')}, {size(drilled.size)}",
    )


def _trouble(drilled: Drilled) -> Iterator[Text]:
    if drilled.closed:
        yield from closed_lines(drilled.closed)
    party = target_party(drilled.target)
    if drilled.cause:
        of_other = "" if drilled.party == party else f"{drilled.party}: "
        yield from problem_lines(Problem(party, f"{of_other}{drilled.cause}", drilled.hint))
    causes = list(drilled.compared.differences if drilled.compared else ())
    if drilled.broken:
        lacks = "lacks parts of its" if drilled.broken == 1 else "lack parts of their"
        causes.append(f"{plural(drilled.broken, 'file')} of its archive {lacks} content")
    for cause in causes:
        yield from problem_lines(Problem(party, cause, _HINT))
