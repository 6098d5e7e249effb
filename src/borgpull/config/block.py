"""A new [[Servers]] block, put into the text of a config: nothing that stood there before is changed.

The block is text at the end, not a change of the parsed tree: tomlkit 0.15.2 would move the comments of the next table
below it, and does not give back the order of a file whose [[Servers]] do not stand together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array, Item, Table

from ..errors import UsageError
from .document import parsed

_SERVERS = "Servers"


@dataclass(frozen=True, kw_only=True)
class NewTarget:
    """What a new block says. `host` is as the config spells it, `known_host` and `private_key` may be of many lines."""

    name: str
    source_paths: tuple[str, ...]
    excludes: tuple[str, ...]
    sub_dir: str
    passphrase: str = field(repr=False)
    host: str
    username: str
    known_host: str
    private_key: str = field(repr=False)


def added(text: str, target: NewTarget) -> str:
    """Return the text of a config with a new target at its end. Raises ConfigError when the text is not TOML."""
    spelled = next((key for key in parsed(text) if key.casefold() == _SERVERS.casefold()), _SERVERS)
    document = tomlkit.parse(text)
    targets = document.get(spelled)
    if isinstance(targets, Array) and targets:
        targets.append(_table(target).unwrap())
        return tomlkit.dumps(document)
    if targets is not None and not isinstance(targets, AoT) and targets != []:
        raise UsageError("Servers is no list of tables", hint="write each target as a [[Servers]] table")
    block = tomlkit.document()
    block.append(spelled, AoT([_table(target)]))
    line_end = "\r\n" if "\r\n" in text else "\n"
    before = text if text.endswith("\n") else text + line_end
    return before + line_end + tomlkit.dumps(block).strip("\n").replace("\n", line_end) + line_end


def lines(text: str) -> Item:
    """Return a text of many lines as TOML, its first line on a line of its own."""
    quotes = '"""'
    quoted = tomlkit.string(text, multiline=True).as_string()
    return tomlkit.value(f"{quotes}\n{quoted.removeprefix(quotes)}")


def _table(target: NewTarget) -> Table:
    table = tomlkit.table()
    table["Name"] = target.name
    table["SourcePaths"] = list(target.source_paths)
    if target.excludes:
        table["Excludes"] = list(target.excludes)
    table["BorgTarget"] = _inner({"SubDir": target.sub_dir, "Passphrase": target.passphrase})
    table["Connection"] = _inner(
        {
            "Host": target.host,
            "Username": target.username,
            "KnownHost": target.known_host,
            "PrivateKey": lines(target.private_key),
        }
    )
    return table


def _inner(values: dict[str, Any]) -> Table:
    table = tomlkit.table()
    table.update(values)
    return table
