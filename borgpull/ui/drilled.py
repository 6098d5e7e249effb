"""What `drill` found, for people and for programs: pure, returns a table and lines, or text.

The shape for programs is a promise: docs/drill.schema.json. A change that breaks a reader raises `SCHEMA`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from borgpull.answers import Drilled
from borgpull.errors import target_party
from borgpull.ui.archives import archive_entry, closed_entry, closed_lines
from borgpull.ui.console import STYLES, error_lines
from borgpull.ui.figures import plural, shown, size
from borgpull.ui.restored import compared_entry

SCHEMA = 1

_HINT = "look at B's disk and at `borg check --verify-data`; other archives may have what this one has lost"


def drilled_lines(drilled: Sequence[Drilled], *, seed: int) -> list[RenderableType]:
    """Return a row for each target, what is wrong with each, and a last line that sums it up."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("target", "result", "archive", "read back", "of"):
        table.add_column(title, overflow="fold", no_wrap=title == "result")
    for each in drilled:
        table.add_row(Text(shown(each.target)), _result(each), *map(Text, _cells(each)))
    parts: list[RenderableType] = [table]
    for each in drilled:
        parts += _trouble(each)
    good = sum(each.good for each in drilled)
    return [*parts, Text(f"{good} of {plural(len(drilled), 'target')} can be read back, by --seed {seed}")]


def _result(drilled: Drilled) -> Text:
    return Text("ok", style=STYLES["done"]) if drilled.good else Text("failed", style=STYLES["failed"])


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
        yield from closed_lines(drilled.target, drilled.closed)
    party = target_party(drilled.target)
    if drilled.cause:
        who = "" if drilled.party == party else f"{drilled.party}: "
        yield from error_lines(party, f"{who}{drilled.cause}", drilled.hint)
    for difference in drilled.compared.differences if drilled.compared else ():
        yield from error_lines(party, difference, _HINT)
    if drilled.broken:
        yield from error_lines(
            party, f"{plural(drilled.broken, 'file')} of its archive lack parts of their content", _HINT
        )


def drilled_json(drilled: Sequence[Drilled], *, seed: int) -> str:
    """Return the drills as JSON, indented; what is not ASCII is escaped."""
    return json.dumps({"schema": SCHEMA, "seed": seed, "targets": [_one(each) for each in drilled]}, indent=2)


def _one(drilled: Drilled) -> dict[str, Any]:
    return {
        "name": shown(drilled.target),
        "good": drilled.good,
        "archive": drilled.archive and archive_entry(drilled.archive),
        "picked": drilled.picked,
        "picked_size": drilled.picked_size,
        "files": drilled.files,
        "size": drilled.size,
        "broken": drilled.broken,
        "compared": compared_entry(drilled.compared),
        "closed": closed_entry(drilled.closed),
        "party": shown(drilled.party),
        "cause": shown(drilled.cause),
        "hint": shown(drilled.hint),
    }
