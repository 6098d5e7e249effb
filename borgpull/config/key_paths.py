"""Where things are in a config: a place is the way to a value from the whole file, such as ("Servers", 2, "Name").

No message quotes a value of the config; the only values ever shown are names of targets that are safe to print.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..errors import ConfigProblem
from . import rules
from .model_fields import problem_with

Place = tuple[str | int, ...]


def format_problems(problems: Iterable[ConfigProblem], tree: dict[str, Any]) -> list[ConfigProblem]:
    """Return the problems as the operator reads them, those of [Borg] first, then target by target."""
    ordered = sorted(dict.fromkeys(problems), key=_order)
    return [replace(each, cause=f"{format_place(each.place, tree)}: {each.cause}") for each in ordered]


def format_place(place: Place, tree: dict[str, Any]) -> str:
    """Return a place such as `Servers[2].Connection.Host ("web1")`, with the target's name if it is valid."""
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    name = value_at(tree, (*place[:2], "Name")) if len(place) > 1 else None
    named = isinstance(name, str) and problem_with(rules.name, name) is None
    return (shown.lstrip(".") or "the config") + (f' ("{str(name).strip()}")' if named else "")


def value_at(tree: dict[str, Any], place: Place) -> object:
    """Return the value at a place, None when there is none."""
    found: object = tree
    for step in place:
        if isinstance(found, dict):
            found = found.get(str(step))
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            return None
    return found


def _order(problem: ConfigProblem) -> tuple[bool, int]:
    place = problem.place
    target = place[1] if len(place) > 1 and isinstance(place[1], int) else -1
    return place[:1] == ("Servers",), target
