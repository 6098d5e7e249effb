"""A new [[Servers]] block, put into the text of a config: nothing that stood there before is changed.

The block is text at the end, not a change of the parsed tree: tomlkit 0.15.2 would move the comments of the next table
below it, and does not give back the order of a file whose [[Servers]] do not stand together.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, Item, Table

from ..errors import UsageError
from . import rules
from .cross_checks import ValidFields, repository_problems
from .key_names import folded
from .problem import named
from .table import problem_with
from .toml_text import parsed

_SERVERS = "Servers"


@dataclass(frozen=True, kw_only=True)
class NewTarget:
    """What a new block says. `host` is as the config spells it, `known_host` and `private_key` may be of many lines."""

    name: str
    source_paths: tuple[str, ...]
    excludes: tuple[str, ...]
    sub_dir: str
    passphrase: str = dataclasses.field(repr=False)
    host: str
    username: str
    known_host: str
    private_key: str = dataclasses.field(repr=False)


def added(text: str, target: NewTarget) -> str:
    """Return the text of a config with a new target at its end. Raises ConfigError when the text is not TOML."""
    spelled = next((key for key in parsed(text) if key.casefold() == _SERVERS.casefold()), _SERVERS)
    targets = None
    # What it cannot read although it is TOML (0.13: [[Servers]] that stand apart), has no list in one place.
    with contextlib.suppress(TOMLKitError):
        document = tomlkit.parse(text)
        targets = document.get(spelled)
    if isinstance(targets, Array):
        targets.append(_table(target).unwrap())
        return tomlkit.dumps(document)
    if targets is not None and not isinstance(targets, AoT):
        raise UsageError("Servers is no list of tables", hint="write each target as a [[Servers]] table")
    block = tomlkit.document()
    block.append(spelled, AoT([_table(target)]))
    line_end = "\r\n" if "\r\n" in text else "\n"
    before = text if text.endswith("\n") else text + line_end
    return before + line_end + tomlkit.dumps(block).strip("\n").replace("\n", line_end) + line_end


def name_problem(text: str, name: str) -> str | None:
    """Return why a new target in the config `text`, a good one, cannot have this name, or None."""
    taken = {str(table.get("Name", "")).strip() for table in _targets(text)}
    words = "is the name of a target already: give each target a name of its own"
    return problem_with(rules.name, name) or (words if name.strip() in taken else None)


def sub_dir_problem(text: str, sub_dir: str) -> str | None:
    """Return why a new target in the config `text`, a good one, cannot have this SubDir, or None."""
    if words := problem_with(rules.sub_dir, sub_dir):
        return words
    targets = _targets(text)
    tree, _ = folded(parsed(text))
    tree["Servers"] = [*targets, {"BorgTarget": {"SubDir": sub_dir}}]
    for problem in repository_problems(ValidFields(tree=tree)):
        if problem.place[1] == len(targets):
            return problem.words
        return f"holds the repository of {named(problem.place[:2], tree)}: choose a folder beside that one"
    return None


def last_username(text: str) -> str:
    """Return the user by whom the last target of a good config is reached; none when it has no target."""
    targets = _targets(text)
    return str(targets[-1]["Connection"]["Username"]) if targets else ""


def _targets(text: str) -> list[dict[str, Any]]:
    tree, _ = folded(parsed(text))
    return list(tree.get("Servers", ()))


def lines(text: str) -> Item:
    """Return a text of many lines as TOML, its first line on a line of its own."""
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
            "PrivateKey": lines(target.private_key),
        },
    }
    table = tomlkit.table()
    table.update({key: value for key, value in said.items() if value})
    return table
