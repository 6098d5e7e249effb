"""What `config check` answers, for people and for programs: pure, returns lines or text.

The shape for programs is a promise: docs/check.schema.json. A change that breaks a reader raises `SCHEMA`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.text import Text

from borgpull.ui.console import STYLES
from borgpull.ui.figures import plural, shown

SCHEMA = 1


def right_lines(targets: Sequence[str], *, server: str) -> list[Text]:
    """Return what is said of a config that is right: how many targets, and the backup server."""
    first = Text.assemble(("ok", STYLES["done"]), f": {plural(len(targets), 'target')}, backed up to {shown(server)}")
    return [first, *(Text(f"  {shown(name)}") for name in targets)]


def check_json(*, targets: Sequence[str] = (), server: str = "", problems: Sequence[str] = ()) -> str:
    """Return the answer as JSON, indented; what is not ASCII is escaped."""
    report = {
        "schema": SCHEMA,
        "right": not problems,
        "server": shown(server),
        "targets": [shown(name) for name in targets],
        "problems": [shown(problem) for problem in problems],
    }
    return json.dumps(report, indent=2)
