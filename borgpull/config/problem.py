"""One problem of a config: its place, and words that say what is wrong and what to do.

The words never quote a value of the config; only names of targets that are fit to be shown are added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigProblem
from . import rules
from .table import problem_with

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """`place` leads from the whole file to the culprit, like ("Servers", 2, "Name")."""

    place: Place
    words: str


def told(problems: Iterable[Problem], tree: dict[str, Any]) -> list[ConfigProblem]:
    """Return the problems as the operator reads them, those of [Borg] first, then target by target."""
    return [
        ConfigProblem(f"{named(problem.place, tree)}: {problem.words}", place=problem.place)
        for problem in sorted(dict.fromkeys(problems), key=_order)
    ]


def named(place: Place, tree: dict[str, Any]) -> str:
    """Return a place like `Servers[2].Connection.Host ("web1")`, the name where it is known and clean."""
    shown = ""
    for step in place:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}"
    name = _target_name(place, tree)
    return (shown.lstrip(".") or "the config") + (f' ("{name}")' if name else "")


def at(tree: dict[str, Any], place: Place) -> object:
    """Return what stands at a place, None when there is nothing."""
    found: object = tree
    for step in place:
        if isinstance(found, dict):
            found = found.get(str(step))
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            return None
    return found


def _target_name(place: Place, tree: dict[str, Any]) -> str:
    if len(place) < 2:
        return ""
    name = at(tree, (*place[:2], "Name"))
    return name.strip() if isinstance(name, str) and problem_with(rules.name, name) is None else ""


def _order(problem: Problem) -> tuple[bool, int]:
    place = problem.place
    target = place[1] if len(place) > 1 and isinstance(place[1], int) else -1
    return place[:1] == ("Servers",), target
