"""Turns keys in any letter case, which the Go ancestor allowed, into the model's spelling, and finds unknown ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from ..errors import ConfigProblem
from . import rules
from .key_paths import Place
from .model import File
from .model_fields import Table, header, is_named, keys_of, problem_with, table_of

_SHOWABLE = re.compile(r"[A-Za-z0-9_-]{1,40}")


def spell_keys(tree: dict[str, Any]) -> tuple[dict[str, Any], list[ConfigProblem]]:
    """Return the config with its known keys as the model spells them, and what is wrong with the others."""
    problems: list[ConfigProblem] = []
    return _table(tree, File, (), problems), problems


def field_at(place: Place) -> FieldInfo:
    """Return the field at a place of the model, or the field with the list that the place is in."""
    table: type[Table] | None = File
    steps = iter(place)
    for step in steps:
        if table and isinstance(step, str):
            field = keys_of(table)[step]
            table = table_of(field)
            if is_named(field):
                next(steps, None)
    return field


def _table(found: dict[str, Any], table: type[Table], place: Place, problems: list[ConfigProblem]) -> dict[str, Any]:
    fields = keys_of(table)
    known = {alias.casefold(): alias for alias in fields}
    spelled: dict[str, Any] = {}
    misspelt: dict[str, Any] = {}
    for key, value in found.items():
        alias = known.get(key.casefold())
        if alias is None:
            nearest = difflib.get_close_matches(key.casefold(), known, n=1)
            meant = known[nearest[0]] if nearest else ""
            problems.append(_unknown(key, meant, table, place))
            misspelt[meant] = value
        elif alias in spelled:
            problems.append(ConfigProblem("is spelled in two ways in one table: keep one", place=(*place, alias)))
        else:
            spelled[alias] = value
    # A misspelt key counts as the one that was meant, so that this is not reported as missing too.
    given = misspelt | spelled
    return {
        alias: _value(given[alias], field, (*place, alias), problems)
        for alias, field in fields.items()
        if alias in given
    }


def _value(value: object, field: FieldInfo, place: Place, problems: list[ConfigProblem]) -> object:
    table = table_of(field)
    if table is None or not isinstance(value, dict | list):
        return value
    if isinstance(value, dict) and not is_named(field):
        return _table(value, table, place, problems)
    spelled = {
        step: _table(entry, table, (*place, step), problems) if isinstance(entry, dict) else entry
        for step, entry in (value.items() if isinstance(value, dict) else enumerate(value))
    }
    if isinstance(value, list):
        return list(spelled.values())
    wrong = {name: problem for name in spelled if (problem := problem_with(rules.group, str(name)))}
    problems.extend(ConfigProblem(f"one of its names {problem}", place=place) for problem in wrong.values())
    return {name: entry for name, entry in spelled.items() if name not in wrong}


def _unknown(key: str, meant: str, table: type[Table], place: Place) -> ConfigProblem:
    shown = f"`{key}`" if _SHOWABLE.fullmatch(key) else "one of its keys"
    if homes := [home for home, alias in _homes(File, "") if alias.casefold() == key.casefold()]:
        return ConfigProblem(f"{shown} is not a key of this table: it belongs in {' or '.join(homes)}", place=place)
    remedy = f"did you mean `{meant}`?" if meant else f"the keys of this table are {', '.join(keys_of(table))}"
    return ConfigProblem(f"{shown} is not a known key: {remedy}", place=place)


def _homes(table: type[Table], place: str, above: str = "") -> Iterator[tuple[str, str]]:
    for alias, field in keys_of(table).items():
        if above:
            yield above, alias
        if inner := table_of(field):
            within = f"{place}.{alias}".lstrip(".")
            yield from _homes(inner, within, header(within, field))
