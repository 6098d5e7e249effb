"""What is in an archive, item by item, as `borg list --json-lines` prints it. All of it was written by T: hostile text.

Nothing is cleaned here, for who compares needs it as it is; whoever shows it cleans it.
"""

from __future__ import annotations

import json
from typing import Any

from ..answers import Item

_HUGE = 1 << 63


def read_item(line: bytes) -> Item | None:
    """Read one line of `borg list --json-lines` with the format of ours; None when it is none."""
    try:
        record: Any = json.loads(line)
        mode = _text(record, "mode")
        return Item(
            kind=mode[0],
            mode=mode,
            user=_owner(record, "user"),
            group=_owner(record, "group"),
            uid=_number(record, "uid"),
            gid=_number(record, "gid"),
            size=_number(record, "size"),
            modified=_text(record, "isomtime"),
            path=_text(record, "path"),
            link=_text(record, "source"),
            healthy=record["healthy"] is True,
            sha256=_text(record, "sha256") if "sha256" in record else "",
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _owner(record: Any, key: str) -> str:  # noqa: ANN401 - of any shape
    # Borg prints the number of an owner that has no name.
    value = record[key]
    return str(value) if type(value) is int else _text(record, key)


def _text(record: Any, key: str) -> str:  # noqa: ANN401
    value = record[key]
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(record: Any, key: str) -> int:  # noqa: ANN401
    value = record[key]
    if type(value) is not int or not -_HUGE < value < _HUGE:
        raise TypeError
    return value
