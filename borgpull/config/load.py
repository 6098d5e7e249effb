"""Reads a config: its text, its keys, its defaults, single fields, and what concerns two of them.

pydantic's messages and inputs are never used: they quote values, and a value may be a secret.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ..errors import ConfigError, ConfigProblem
from .cross_checks import ValidFields, problems
from .key_names import field_at, spell_keys
from .key_paths import Place, format_problems, value_at
from .merge import merged, origin
from .model import Config, File
from .model_fields import Invalid, header, table_of
from .toml_text import parse

_WORDS = {
    "missing": "is missing: add {about}",
    "too_short": "is empty: add {about}",
    "too_long": "has more than {max_length} entries: put some of them into a script on the target",
    "tuple_type": "must be a list such as {example}",
    "bool_type": "must be true or false, without quotes",
    "whole": "must be a whole number from {least} to {most}, without quotes",
}

CheckKey = Callable[..., str | None]
CheckKnownHost = Callable[[str, int, str], str | None]


def read(text: str, *, check_key: CheckKey, check_known_host: CheckKnownHost) -> Config:
    """Return the config in a text.

    `check_key(key)`, `check_key(key, certificate)` and `check_known_host(host, port, known_host)` return None or what
    is wrong; they get each distinct normalised value once. Raises ConfigError with all problems at once.
    """
    written, found = spell_keys(parse(text))
    tree = merged(written)
    try:
        checks = {"key": functools.cache(check_key), "known_host": functools.cache(check_known_host)}
        _check_side_by_side(tree, checks)
        file = File.model_validate(tree, context=checks)
        wrong = []
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
    for each in wrong:
        # In a tuple pydantic (2.14) counts only the valid entries: it may not be too short.
        if each["type"] != "too_short" or not value_at(tree, each["loc"]):
            found.append(ConfigProblem(_words(each), place=each["loc"]))
    found += problems(ValidFields(tree=tree, broken=frozenset(problem.place for problem in found)))
    if found:
        placed = [replace(each, place=origin(each.place, written)) for each in found]
        raise ConfigError(format_problems(placed, written))
    borg = {name: value for name, value in file.borg if name != "groups"}
    return Config.model_construct(**borg, targets=file.servers, notify=file.notify)


def _check_side_by_side(tree: dict[str, Any], checks: Mapping[str, CheckKey]) -> None:
    """Ask the checks, which remember their answers and start a program each, what a validation is going to ask them."""
    asked: dict[tuple[Any, ...], None] = {}

    def note(*call: Any) -> None:  # noqa: ANN401
        asked[call] = None

    with contextlib.suppress(ValidationError):
        File.model_validate(tree, context={name: functools.partial(note, check) for name, check in checks.items()})
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda call: call[0](*call[1:]), asked))


def _words(entry: ErrorDetails) -> str:
    kind, place, context = entry["type"], entry["loc"], entry.get("ctx", {})
    field = field_at(place)
    if table_of(field) and kind != "too_short":
        return _table_words(place, field, missing=kind == "missing")
    if isinstance(invalid := context.get("error"), Invalid):
        return str(invalid)
    example = json.dumps((field.examples or [""])[0], ensure_ascii=False)
    return _WORDS.get(kind, "must be a text in quotes").format(about=field.description, example=example, **context)


def _table_words(place: Place, field: FieldInfo, *, missing: bool) -> str:
    written = header(".".join(step for step in place if isinstance(step, str)), field)
    is_list = written.startswith("[[")
    if missing:
        return f"is missing: add {field.description if is_list else f'a {written} table with {field.description}'}"
    return f"must be a {'list of tables' if is_list and isinstance(place[-1], str) else 'table'}: write {written}"
