"""What is published of the model's tables: a commented config to begin with, and a JSON schema for editors.

The example must never pass for a real config: its keys are no keys and its passphrases are empty, so that nobody runs
with them. The JSON schema knows less than `reading`: whether a key opens a host, or two targets are in each other's
way, no schema can say.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import tomlkit
from pydantic.fields import FieldInfo

from . import add_target
from .model import File
from .table import Table, header, keys_of, table_of

_HEAD = """\
# A config of borgpull, to be filled in. Its names are made up, its keys are none, its passphrases are empty:
# `borgpull config check` names what is still to be done.
#
# What begins with a # and no blank may be left out. Take the # away to set it; what it says is then the default, or
# an example where there is none. [[Servers]] need not be written by hand: remove it, and `borgpull config add` does it.
#
# When it is filled in it holds all your keys: keep it encrypted, e.g. with
# `age -e -R you.pub -o config.toml.age config.toml`, and use it like this: `age -d config.toml.age | borgpull`.
"""
_WIDTH = 118
_ABOUT = (
    "The config of borgpull, a TOML file. borgpull reads keys in any letter case; they are spelled here as in its "
    "documentation. `borgpull config check` sees more than this schema does."
)


def example() -> str:
    return _HEAD + "\n".join(_tables(File, ())) + "\n"


def _tables(table: type[Table], path: tuple[str, ...], *, off: bool = False) -> Iterator[str]:
    """Yield the lines of a table: its keys, those that it needs first, and then the tables inside it."""
    found = sorted(keys_of(table).items(), key=lambda entry: not entry[1].is_required())
    for key, field in found:
        if table_of(field) is None:
            yield from _comment(field)
            yield from _set(key, field, off=off or not field.is_required())
    for key, field in found:
        if inner := table_of(field):
            within, inner_off = (*path, key), off or not field.is_required()
            yield ""
            yield from _comment(field)
            yield _mark(header(".".join(within), field), off=inner_off)
            yield from _tables(inner, within, off=inner_off)


def _comment(field: FieldInfo) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(field.description or "", _WIDTH)]


def _set(key: str, field: FieldInfo, *, off: bool) -> list[str]:
    value = sample(field)
    item = add_target.lines(value) if isinstance(value, str) and "\n" in value else tomlkit.item(value)
    return [_mark(line, off=off) for line in f"{key} = {item.as_string()}".splitlines()]


def sample(field: FieldInfo) -> Any:  # noqa: ANN401 - whatever TOML can hold
    """Return the default of a key, an example where it has none, and an empty text for what nobody may copy."""
    if not field.is_required() and field.default:
        return field.default
    return field.examples[0] if field.examples else ""


def _mark(line: str, *, off: bool) -> str:
    return f"#{line}" if off else line


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a whole config; passphrases and private keys are writeOnly, of format password."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "borgpull config"}
    return {**head, **_plain(File.model_json_schema(by_alias=True)), "description": _ABOUT}


def _plain(node: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """Return a part of pydantic's schema without its made-up titles, and without defaults that stand for no value."""
    if isinstance(node, list):
        return [_plain(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {key: _plain(value) for key, value in node.items() if not _says_nothing(key, value)}


def _says_nothing(key: str, value: object) -> bool:
    return key == "title" or (key == "default" and not value and value is not False)
