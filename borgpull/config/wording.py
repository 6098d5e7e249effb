"""pydantic's errors in our words, made from their type and place alone.

pydantic's own words and inputs are never used: they quote values, and a value may be a secret.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from .keys import field_at
from .problem import Place, Problem
from .schema import File
from .table import RULE

_TABLES = ("Server", "BorgTarget", "Connection", "Borg", "Defaults", "Notify")
_LISTS = ("Servers", "Streams", "Jumps")
_NUMBERS = {"Jobs": "1 to 1000", "Retries": "0 to 10", "Nice": "0 to 19"}


def validated(tree: dict[str, Any]) -> File | list[Problem]:
    """Return the config's tables, or every problem with their single fields."""
    try:
        return File.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    return [Problem(entry["loc"], _words(entry["type"], entry["loc"], entry.get("ctx", {}))) for entry in found]


def _words(kind: str, place: Place, context: dict[str, Any]) -> str:
    if kind == RULE:
        return str(context["problem"])
    if kind == "missing":
        return _missing(place)
    if kind == "too_short":
        return "is empty: add " + _description(place)
    if kind == "too_long":
        return "has more entries than 20: put some of them into a script on the target"
    return _wrong_type(kind, place)


def _missing(place: Place) -> str:
    if place[-1] in _TABLES:
        return f"is missing: add a {_header(place)} table with {_description(place)}"
    return f"is missing: add {_description(place)}"


def _wrong_type(kind: str, place: Place) -> str:
    if place[-1] in _LISTS:
        return f"must be a list of tables: write {_header(place)}"
    if place[-1] in _NUMBERS:
        return f"must be a whole number from {_NUMBERS[place[-1]]}, without quotes"
    if place[-1] in _TABLES or (isinstance(place[-1], int) and place[-2] in _LISTS):
        return f"must be a table: write {_header(place)}"
    if kind == "list_type":
        return f"must be a list: {_description(place)}"
    if kind == "bool_type":
        return "must be true or false, without quotes"
    return "must be a text in quotes"


def _header(place: Place) -> str:
    steps = [step for step in place if isinstance(step, str)]
    header = ".".join(steps)
    return f"[[{header}]]" if steps[-1] in _LISTS else f"[{header}]"


def _description(place: Place) -> str:
    field = field_at(place)
    return (field.description if field else None) or "it"
