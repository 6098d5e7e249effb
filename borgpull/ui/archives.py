"""What `list`, `restore` and `drill` print, for people and for programs: tables, lines, and a percentage on the way.

An archive may hold millions of files: each is a line for itself. For programs names are as they are, with every letter
that is not ASCII escaped; for people they are cleaned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rich.console import RenderableType
from rich.text import Text

from ..errors import Problem, plural, target_party, the
from ..events import Event, PercentProgress, Step
from ..format import percent, size, span
from ..results import Closed, Compared, Drilled, Drills, FileList, Found, Item, ListedArchive, Restored, stamp
from ..untrusted import shown
from .console import STYLES, labelled, people, problem_lines, repaints, table, terminal_size, warning_lines

_LINKS = {"l": "->", "h": "link to"}
_VERIFIED = {True: "verified", False: "not verified", None: "no run yet"}
_CLEAR = "\r\x1b[2K"
_REPAINT_SECONDS = 0.2
_LINE_SECONDS = 60.0
_HINT = "check the disk of the backup server, and run `borg check --verify-data`; other archives may still be whole"


def closed_lines(closed: Closed) -> list[Text]:
    """Return the warning before anything is read from a closed repository."""
    cause = f"{closed.cause}: what is read from its repository may be what an attacker left there"
    return problem_lines(replace(closed, cause=cause), "warning")


def archive_lines(
    target: str, archives: Sequence[ListedArchive], *, foreign: int, now: float, why: bool
) -> list[RenderableType]:
    last = "the next prune" if why else "id"
    columns = ["archive", "start", "age", "state", last]
    rows: list[list[str | Text]] = [
        [
            each.name,
            stamp(each.start),
            span(max(0.0, now - each.start)),
            _state(each),
            f"{'keeps' if each.kept else 'removes'}: {each.rule}" if why else each.archive_id[:16],
        ]
        for each in archives
    ]
    others = f", {foreign} of them not borgpull's and never pruned" if foreign else ""
    total = Text(f"{target_party(target)}: {plural(len(archives), 'archive')}{others}")
    aside = [Text(f"{shown(each.name)}: {shown(each.aside)}") for each in archives if each.aside]
    return [table(columns, rows, fold=["archive", "the next prune"], right=["age"]), total, *aside]


def _state(archive: ListedArchive) -> Text:
    word = "unfinished" if archive.unfinished else archive.state or _VERIFIED[archive.verified]
    return Text(word, style=STYLES["warning"] if archive.verified is False or archive.aside else "")


def files_head(target: str, archive: ListedArchive, closed: Closed | None) -> str:
    """Return how the JSON of an archive's files begins: each file follows, with commas, then `FILES_END`."""
    return FileList(target=target, closed=closed, archive=archive).text.removesuffix("]\n}")


FILES_END = "\n  ]\n}\n"


def file_line(item: Item) -> str:
    """Return a file as a line for people, much as `ls -l` does."""
    user, group = shown(item.user, longest=16), shown(item.group, longest=16)
    link = f" {_LINKS[item.kind]} {shown(item.link)}" if item.kind in _LINKS else ""
    broken = "" if item.healthy else "  (damaged: parts of it are gone)"
    return f"{item.mode} {user:8} {group:8} {size(item.size):>8} {_modified(item)} {shown(item.path)}{link}{broken}"


def found_line(found: Found) -> str:
    """Return a file that was found as a line for people."""
    item, archive = found.file, found.archive
    doubt = "" if archive.verified is not False and not archive.aside else f"  ({archive.state or 'not verified'})"
    place = f"{shown(found.target)}  {shown(archive.name)}"
    return f"{place}  {size(item.size):>8}  {_modified(item)}  /{shown(item.path)}{doubt}"


def _modified(item: Item) -> str:
    return f"{shown(item.modified, longest=19)[:16].replace('T', ' '):16}"


class Progress:
    """A line of progress on stderr, which is repainted on a terminal. `end` before anything else is printed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = people()
        self._repaints = repaints(self._console.file)
        self._clock = clock
        self._pause = _REPAINT_SECONDS if self._repaints else _LINE_SECONDS
        self._next = clock() + (0.0 if self._repaints else _LINE_SECONDS)

    def handle(self, event: Event) -> None:
        """Show how far an extraction has come."""
        if isinstance(event, PercentProgress) and event.step is Step.EXTRACT:
            done = percent(event.current / event.total, estimated=False)
            self.show(f"{event.target}: extracting {done}, {size(event.current)} of {size(event.total)}")

    def show(self, words: str) -> None:
        """Show `words`, unless others have just been."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + self._pause
        text = shown(words)
        if self._repaints:
            self._write(_CLEAR + text[: terminal_size(self._console.file)[0] - 1])
        else:
            self._console.print(text)

    def end(self) -> None:
        if self._repaints:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()


def restored_lines(restored: Restored) -> Iterator[Text]:
    done = "would restore" if restored.dry_run else "restored"
    what = f"{plural(restored.items, 'item')}, {size(restored.size)}, of {shown(restored.archive.name)}"
    yield Text(f"{done} {what} to {shown(restored.folder)} on {the(restored.party)}")
    for warning in restored.warnings:
        yield from warning_lines(f"borg extract: {warning}")
    if more := restored.warned - len(restored.warnings):
        yield from warning_lines(f"borg extract: {plural(more, 'more warning')}")
    for note in restored.notes:
        yield labelled("note", note)
    if restored.compared:
        yield from _comparison(restored.compared)


def _comparison(compared: Compared) -> Iterator[Text]:
    for difference in compared.differences:
        yield labelled("error", difference)
    words = [f"read again: {plural(compared.same, 'item')} as in the archive"]
    words += [f"{compared.different} not"] if compared.different else []
    words += [f"{compared.unsure} could not be compared"] if compared.unsure else []
    yield Text(", ".join(words))


def drilled_lines(report: Drills) -> list[RenderableType]:
    drilled = report.targets
    columns = ["target", "result", "archive", "read back", "of"]
    parts: list[RenderableType] = [table(columns, map(_cells, drilled), fold=["target", "archive", "read back", "of"])]
    for each in drilled:
        parts += closed_lines(each.closed) if each.closed else []
        for problem in _problems(each):
            parts += problem_lines(problem)
    good = sum(each.good for each in drilled)
    return [*parts, Text(f"{good} of {plural(len(drilled), 'target')} can be read back, by --seed {report.seed}")]


def _cells(drilled: Drilled) -> list[str | Text]:
    result = Text("ok", style=STYLES["done"]) if drilled.good else Text("failed", style=STYLES["failed"])
    if drilled.archive is None:
        return [drilled.target, result, "", "", ""]
    picked = f"{plural(drilled.picked, 'file')}, {size(drilled.picked_size)}"
    every_file = f"{plural(drilled.files, 'file')}, {size(drilled.size)}"
    return [drilled.target, result, drilled.archive.name, picked, every_file]


def _problems(drilled: Drilled) -> Iterator[Problem]:
    party = target_party(drilled.target)
    if drilled.cause:
        of_other = "" if drilled.party == party else f"{drilled.party}: "
        yield Problem(party, f"{of_other}{drilled.cause}", drilled.hint)
    for difference in drilled.compared.differences if drilled.compared else ():
        yield Problem(party, difference, _HINT)
    if drilled.broken:
        lacks = "lacks parts of its" if drilled.broken == 1 else "lack parts of their"
        yield Problem(party, f"{plural(drilled.broken, 'file')} of its archive {lacks} content", _HINT)
