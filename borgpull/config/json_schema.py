"""What is published of the model: a commented example config, and a JSON schema for editors.

The example is no valid config until it is filled in: its private keys are placeholders and its passphrases are empty.
The JSON schema checks less than `load.read`: no schema knows whether a key is valid, or two targets collide.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import tomlkit
from pydantic.fields import FieldInfo

from .add_target import multi_line
from .model import File
from .model_fields import Table, header, is_named, keys_of, table_of

_HEAD = """\
# A config of borgpull to fill in: its names are made up, its private keys are placeholders, its passphrases are empty.
# `borgpull config check` lists what is still missing.
#
# A line that begins with # and no blank is optional. It shows the default, or an example where there is no default:
# remove the # to set it. You can remove [[Servers]]: `borgpull config add` writes one for each target.
#
# The finished config has all your keys: keep it encrypted, e.g. with
# `age -e -R you.pub -o config.toml.age config.toml`, and run `age -d config.toml.age | borgpull`.
"""
_WIDTH = 118
_ABOUT = (
    "The config of borgpull, a TOML file. borgpull reads keys in any letter case; this is their spelling in its "
    "documentation. `borgpull config check` checks more than this schema."
)


def example() -> str:
    return _HEAD + "\n".join(_tables(File, ())) + "\n"


def _tables(table: type[Table], path: tuple[str, ...], *, off: bool = False) -> Iterator[str]:
    """Yield the lines of a table: its keys, the required ones first, and then the tables inside it."""
    found = sorted(keys_of(table).items(), key=lambda entry: not _is_written(path, *entry))
    for key, field in found:
        if table_of(field) is None:
            yield from _comment(field)
            yield from _assignment(key, field, off=off or not _is_written(path, key, field))
    for key, field in found:
        if inner := table_of(field):
            within, inner_off = (*path, key), off or not field.is_required()
            yield ""
            yield from _comment(field)
            yield _mark(header(".".join(within), field).replace("NAME", "laptops"), off=inner_off)
            if not is_named(field):
                yield from _tables(inner, within, off=inner_off)


def _is_written(path: tuple[str, ...], key: str, field: FieldInfo) -> bool:
    # Each connection needs a PrivateKey or a PrivateKeyCommand, each target a PruneSetting of its own or of [Borg]: of
    # both the usual form.
    return field.is_required() or key == "PrivateKey" or (*path, key) == ("Borg", "PruneSetting")


def _comment(field: FieldInfo) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(field.description or "", _WIDTH)]


def _assignment(key: str, field: FieldInfo, *, off: bool) -> list[str]:
    value = sample(field)
    item = multi_line(value) if isinstance(value, str) and "\n" in value else tomlkit.item(value)
    return [_mark(line, off=off) for line in f"{key} = {item.as_string()}".splitlines()]


def sample(field: FieldInfo) -> Any:  # noqa: ANN401 - whatever TOML can hold
    """Return the default of a key, an example where it has none, and an empty text for a passphrase."""
    if not field.is_required() and (field.default or field.default is False):
        return field.default
    return field.examples[0] if field.examples else ""


def _mark(line: str, *, off: bool) -> str:
    return f"#{line}" if off else line


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a config; secrets are writeOnly, of format password."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "borgpull config"}
    return {**head, **_plain(File.model_json_schema(by_alias=True)), "description": _ABOUT}


def _plain(node: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """Return a part of pydantic's schema without made-up titles, and without defaults that mean no value."""
    if isinstance(node, list):
        return [_plain(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {key: _plain(value) for key, value in node.items() if not _is_noise(key, value)}


def _is_noise(key: str, value: object) -> bool:
    return key == "title" or (key == "default" and not value and value is not False)
