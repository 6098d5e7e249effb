"""Keys in any letter case, as Go's reader allowed, made into the model's spelling; unknown ones found.

It follows the model's own tables, and looks at no value but tables.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from .model import File
from .problem import Place, Problem
from .table import Table, header, keys_of, table_of

_SHOWABLE = re.compile(r"[A-Za-z0-9_-]{1,40}")


def folded(tree: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the config with the model's spelling of its known keys, and what is wrong with others."""
    problems: list[Problem] = []
    return _table(tree, File, (), problems), problems


def field_at(place: Place) -> FieldInfo:
    """Return the field at a place of the model, or that in whose list it is."""
    table: type[Table] | None = File
    for step in place:
        if table and isinstance(step, str):
            field = keys_of(table)[step]
            table = table_of(field)
    return field


def _table(found: dict[str, Any], table: type[Table], place: Place, problems: list[Problem]) -> dict[str, Any]:
    fields = keys_of(table)
    known = {alias.casefold(): alias for alias in fields}
    spelled: dict[str, Any] = {}
    misspelt: dict[str, Any] = {}
    for key, value in found.items():
        alias = known.get(key.casefold())
        if alias is None:
            meant = _nearest(key, known)
            problems.append(_unknown(key, meant, table, place))
            misspelt[meant or ""] = value
        elif alias in spelled:
            problems.append(Problem((*place, alias), "is spelled in two ways in one table: keep one of them"))
        else:
            spelled[alias] = value
    # What was meant is judged as if it were said: so it is not told a second time, as missing.
    given = misspelt | spelled
    return {
        alias: _value(given[alias], table_of(field), (*place, alias), problems)
        for alias, field in fields.items()
        if alias in given
    }


def _value(value: object, table: type[Table] | None, place: Place, problems: list[Problem]) -> object:
    if table and isinstance(value, dict):
        return _table(value, table, place, problems)
    if table and isinstance(value, list):
        return [_value(entry, table, (*place, number), problems) for number, entry in enumerate(value)]
    return value


def _nearest(key: str, known: dict[str, str]) -> str | None:
    nearest = difflib.get_close_matches(key.casefold(), known, n=1)
    return known[nearest[0]] if nearest else None


def _unknown(key: str, meant: str | None, table: type[Table], place: Place) -> Problem:
    shown = f"`{key}`" if _SHOWABLE.fullmatch(key) else "one of its keys"
    if homes := [home for home, alias in _homes(File, "") if alias.casefold() == key.casefold()]:
        return Problem(place, f"{shown} is not a key of this table: it belongs in {' or '.join(homes)}")
    remedy = f"did you mean `{meant}`?" if meant else f"known are {', '.join(keys_of(table))}"
    return Problem(place, f"{shown} is not a known key: {remedy}")


def _homes(table: type[Table], place: str, above: str = "") -> Iterator[tuple[str, str]]:
    for alias, field in keys_of(table).items():
        if above:
            yield above, alias
        if inner := table_of(field):
            within = f"{place}.{alias}".lstrip(".")
            yield from _homes(inner, within, header(within, field))
