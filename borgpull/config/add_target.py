"""Adds a new [[Servers]] block to the text of a config, and changes nothing else in it.

The block is text at the end, not a change of the parsed tree: tomlkit 0.15.2 would move the comments of the next table
below it, and loses the order of a file whose [[Servers]] are not adjacent.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, Item, Table

from ..errors import UsageError
from .cross_checks import ValidFields, problems
from .key_names import spell_keys
from .key_paths import format_place
from .merge import merged
from .toml_text import parse

_SERVERS = "Servers"


@dataclass(frozen=True, kw_only=True)
class NewTarget:
    """A new block. `host` is as the config spells it, `known_host` and `private_key` may have several lines."""

    name: str
    source_paths: tuple[str, ...]
    excludes: tuple[str, ...]
    sub_dir: str
    passphrase: str = dataclasses.field(repr=False)
    host: str
    username: str
    known_host: str
    private_key: str = dataclasses.field(repr=False)


def with_target(text: str, target: NewTarget) -> str:
    """Return the text of a config with a new target at its end. Raises ConfigError when the text is not TOML."""
    spelled = next((key for key in parse(text) if key.casefold() == _SERVERS.casefold()), _SERVERS)
    targets = None
    # TOML that tomlkit cannot read (0.13: [[Servers]] that are not adjacent) has no list in one place.
    with contextlib.suppress(TOMLKitError):
        document = tomlkit.parse(text)
        targets = document.get(spelled)
    if isinstance(targets, Array):
        targets.append(_table(target).unwrap())
        return tomlkit.dumps(document)
    if targets is not None and not isinstance(targets, AoT):
        raise UsageError("Servers is not a list of tables", hint="write each target as a [[Servers]] table")
    block = tomlkit.document()
    block.append(spelled, AoT([_table(target)]))
    line_end = "\r\n" if "\r\n" in text else "\n"
    before = text if text.endswith("\n") else text + line_end
    return before + line_end + tomlkit.dumps(block).strip("\n").replace("\n", line_end) + line_end


def conflict(text: str, **keys: object) -> str | None:
    """Return what is wrong between the targets of a good config and a new one with these keys, or None."""
    tree = spell_keys(parse(text))[0]
    others = tree.get(_SERVERS, [])
    tree[_SERVERS] = [*others, keys]
    for problem in problems(ValidFields(tree=merged(tree))):
        if problem.place[1] == len(others):
            return problem.cause
        other = format_place(problem.place[:2], tree)
        return f"contains the repository of {other}: choose a folder beside that one"
    return None


def last_username(text: str) -> str:
    """Return the user of the last target of a good config; "" when it has no target."""
    targets = spell_keys(parse(text))[0].get(_SERVERS)
    return str(targets[-1]["Connection"]["Username"]) if targets else ""


def multi_line(text: str) -> Item:
    """Return a text of several lines as TOML, which begins on a new line."""
    quotes = '"""'
    quoted = tomlkit.string(text, multiline=True).as_string()
    return tomlkit.value(f"{quotes}\n{quoted.removeprefix(quotes)}")


def _table(target: NewTarget) -> Table:
    said = {
        "Name": target.name,
        "SourcePaths": list(target.source_paths),
        "Excludes": list(target.excludes),
        "BorgTarget": {"SubDir": target.sub_dir, "Passphrase": target.passphrase},
        "Connection": {
            "Host": target.host,
            "Username": target.username,
            "KnownHost": target.known_host,
            "PrivateKey": multi_line(target.private_key),
        },
    }
    table = tomlkit.table()
    table.update({key: value for key, value in said.items() if value})
    return table
