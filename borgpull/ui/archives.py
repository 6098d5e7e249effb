"""What `list` answers, for people and for programs: pure, returns a table, lines, or text.

An archive may hold millions of files: each is a line for itself. For programs names are as they are, with every letter
that is not ASCII escaped; for people they are cleaned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import plural, target_party
from ..results import Closed, FileList, Item, ListedArchive, stamp
from ..untrusted import shown
from .console import STYLES, problem_lines
from .format import size, span

_LINKS = {"l": "->", "h": "link to"}
_VERIFIED = {True: "verified", False: "not verified", None: "no run yet"}


def closed_lines(closed: Closed) -> list[Text]:
    """Return the warning for everybody who reads from a closed repository."""
    cause = f"{closed.cause}: what is read from its repository may be what an attacker left there"
    return problem_lines(replace(closed, cause=cause), "warning")


def archive_lines(
    target: str, archives: Sequence[ListedArchive], *, foreign: int, now: float, why: bool
) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("archive", overflow="fold")
    table.add_column("start", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("the next run" if why else "id", no_wrap=not why)
    for each in archives:
        age = span(max(0.0, now - each.start))
        last = Text(f"{'keeps' if each.kept else 'removes'}: {shown(each.rule)}" if why else each.archive_id[:16])
        table.add_row(Text(shown(each.name)), stamp(each.start), age, _state(each), last)
    others = f", {foreign} of them not borgpull's and never pruned" if foreign else ""
    total = Text(f"{target_party(target)}: {plural(len(archives), 'archive')}{others}")
    return [table, total, *(Text(f"{shown(each.name)}: {shown(each.aside)}") for each in archives if each.aside)]


def _state(archive: ListedArchive) -> Text:
    word = "unfinished" if archive.unfinished else archive.aside.partition(":")[0] or _VERIFIED[archive.verified]
    return Text(word, style=STYLES["warning"] if archive.verified is False or archive.aside else "")


def files_head(target: str, archive: ListedArchive, closed: Closed | None) -> str:
    """Return how the JSON of an archive's files begins: each file follows, with commas, then `FILES_END`."""
    return FileList(target=target, closed=closed, archive=archive).text.removesuffix("]\n}")


FILES_END = "\n  ]\n}\n"


def file_line(item: Item) -> str:
    """Return a file as a line for people, much as `ls -l` does."""
    user, group = shown(item.user, longest=16), shown(item.group, longest=16)
    when = shown(item.modified, longest=19)[:16].replace("T", " ")
    link = f" {_LINKS[item.kind]} {shown(item.link)}" if item.kind in _LINKS else ""
    broken = "" if item.healthy else "  (damaged: parts of it are gone)"
    return f"{item.mode} {user:8} {group:8} {size(item.size):>8} {when:16} {shown(item.path)}{link}{broken}"
