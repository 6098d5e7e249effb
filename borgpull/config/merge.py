"""What holds for a target: its own keys, over those of its group, over [Borg.Defaults]. Here they are merged, before
anything is validated, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .key_paths import Place, value_at
from .model import Borg, Options
from .model_fields import keys_of

DEFAULTS: Place = ("Borg", "Defaults")
GROUPS: Place = ("Borg", "Groups")
# What [Borg] sets for all targets.
_OF_BORG = keys_of(Options).keys() & keys_of(Borg).keys()


def homes(tree: dict[str, Any], number: int) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the tables that may set a key of target `number`, with their places; the first that has it wins."""
    group = value_at(tree, ("Servers", number, "Group"))
    borg = value_at(tree, ("Borg",))
    for place in (("Servers", number), *([(*GROUPS, group)] if isinstance(group, str) else []), DEFAULTS):
        if isinstance(table := value_at(tree, place), dict):
            yield place, table
    if isinstance(borg, dict):
        yield ("Borg",), {key: borg[key] for key in _OF_BORG & borg.keys()}


def merged(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the config in which each target has all that holds for it."""
    servers = tree.get("Servers")
    if not isinstance(servers, list):
        return tree
    return tree | {"Servers": [_with_homes(tree, number, each) for number, each in enumerate(servers)]}


def _with_homes(tree: dict[str, Any], number: int, target: object) -> object:
    if not isinstance(target, dict):
        return target
    found: dict[str, Any] = {}
    for _, table in homes(tree, number):
        found = table | found
    return found


def origin(place: Place, tree: dict[str, Any]) -> Place:
    """Return where the config sets what a target has at a place of the merged one; the place itself if nowhere."""
    if len(place) > 2 and place[0] == "Servers" and isinstance(place[1], int):
        for home, table in homes(tree, place[1]):
            if place[2] in table:
                return (*home, *place[2:])
    return place
