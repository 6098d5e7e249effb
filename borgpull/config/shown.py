"""What holds for one target of a config, and where the config sets it. No secret is among it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tomlkit
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from .key_names import spell_keys
from .key_paths import Place, format_place
from .merge import merged, origin
from .model import Config, Target
from .model_fields import Table, keys_of, table_of
from .toml_text import parse

DEFAULT = "default"
_HIDDEN = "(not shown)"


def settings_of(text: str, config: Config, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield the keys of the target `name` of a good config, each with its value as TOML, and where that comes from.

    That is the place of a table, or DEFAULT; keys that are not set and have no default are left out.
    """
    written = spell_keys(parse(text))[0]
    number = [target.name for target in config.targets].index(name)
    place: Place = ("Servers", number)
    yield from _settings(merged(written)["Servers"][number], Target, place, written)


def _settings(
    found: dict[str, Any], table: type[Table], place: Place, written: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    for key, field in keys_of(table).items():
        inner, value, at = table_of(field), found.get(key), (*place, key)
        if inner and isinstance(value, dict):
            yield from _settings(value, inner, at, written)
        elif inner and isinstance(value, list):
            for index, entry in enumerate(value):
                yield from _settings(entry, inner, (*at, index), written)
        elif key in found or field.default or field.default is False:
            home = format_place(origin(at, written)[:-1], written) if key in found else DEFAULT
            yield format_place(at[2:], {}), _shown(value if key in found else field.default, field), home


def _shown(value: object, field: FieldInfo) -> str:
    if field.annotation is SecretStr or not field.repr:
        return _HIDDEN
    return tomlkit.item(value).as_string() if isinstance(value, bool | int | str | list) else str(value)
