"""What `restore` did, for people and for programs: pure, returns lines or text.

The shape for programs is a promise: docs/restore.schema.json. A change that breaks a reader raises `SCHEMA`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from borgpull.answers import Compared, Restored
from borgpull.ui.archives import archive_entry
from borgpull.ui.console import STYLES, labelled, warning_lines
from borgpull.ui.figures import plural, shown, size

SCHEMA = 1


def restored_lines(restored: Restored) -> list[Text]:
    """Return what was restored, what could not be kept, and what came of the comparison."""
    return list(_lines(restored))


def _lines(restored: Restored) -> Iterator[Text]:
    done = "would restore" if restored.dry_run else "restored"
    what = f"{plural(restored.items, 'item')}, {size(restored.size)}, of {shown(restored.archive.name)}"
    yield Text(f"{done} {what} to {shown(restored.folder)} on {shown(restored.party)}")
    for warning in restored.warnings:
        yield from warning_lines(f"borg extract: {warning}")
    if restored.warned > len(restored.warnings):
        yield from warning_lines(f"borg extract: {restored.warned - len(restored.warnings)} more warnings")
    for note in restored.notes:
        yield labelled("note", shown(note))
    if restored.compared:
        yield from _comparison(restored.compared)


def _comparison(compared: Compared) -> Iterator[Text]:
    for difference in compared.differences:
        yield Text.assemble(("error:", STYLES["error"]), f" {shown(difference)}")
    said = f"read again: {plural(compared.same, 'item')} as in the archive"
    if compared.different:
        said += f", {compared.different} not"
    if compared.unsure:
        said += f", of {compared.unsure} it cannot be told"
    yield Text(said)


def restored_json(restored: Restored) -> str:
    """Return the report as JSON, indented; what is not ASCII is escaped."""
    report = {
        "schema": SCHEMA,
        "target": restored.target,
        "archive": archive_entry(restored.archive),
        "on": shown(restored.party),
        "folder": restored.folder,
        "items": restored.items,
        "size": restored.size,
        "dry_run": restored.dry_run,
        "notes": [shown(note) for note in restored.notes],
        "warnings": [shown(warning) for warning in restored.warnings],
        "warned": restored.warned,
        "compared": compared_entry(restored.compared),
    }
    return json.dumps(report, indent=2)


def compared_entry(compared: Compared | None) -> dict[str, Any] | None:
    """Return a comparison as JSON has it."""
    if compared is None:
        return None
    return {
        "same": compared.same,
        "different": compared.different,
        "unsure": compared.unsure,
        "differences": [shown(difference) for difference in compared.differences],
    }
