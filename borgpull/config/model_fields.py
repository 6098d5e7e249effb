"""What the config's model is made of: tables, their keys, and texts that obey a rule.

A rule takes a text of the config, and returns what the other rooms use or raises Invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetPydanticSchema, SecretStr
from pydantic.alias_generators import to_pascal
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, core_schema


class Invalid(ValueError):
    """A value breaks its rule. The message says how, and what to do; it never quotes the value, maybe a secret."""


def refuse(broken: object, words: str) -> None:
    """Raise Invalid, which says `words`, when a rule is broken."""
    if broken:
        raise Invalid(words)


class Table(BaseModel):
    """A table, which has only the keys that it declares. The field of the key RootDir is `root_dir`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, alias_generator=to_pascal)


def key(description: str, *examples: object, default: Any = PydanticUndefined, unset: str = "", **more: Any) -> Any:  # noqa: ANN401
    """Declare a key. A default is written as in a config; `unset` says in words what applies without one."""
    words = f"{description}; if not set: {unset}" if unset else description
    return Field(default, description=words, examples=list(examples) or None, validate_default=bool(default), **more)


def flag(description: str) -> Any:  # noqa: ANN401
    """Declare a key that is true or false, by default false."""
    return key(description, True, default=False)


def text(rule: Callable[[str], object]) -> GetPydanticSchema:
    """Read a text by a rule; in the JSON schema it is a text, whatever the rule returns."""
    schema = core_schema.no_info_after_validator_function(rule, core_schema.str_schema())
    return GetPydanticSchema(lambda _kind, _handler: schema)


def secret(rule: Callable[[str], str]) -> AfterValidator:
    """Read a secret text by a rule."""
    return AfterValidator(lambda value: SecretStr(rule(value.get_secret_value())))


def whole(least: int, most: int) -> GetPydanticSchema:
    """Read a whole number between limits, which each message names."""
    schema = core_schema.int_schema(strict=True, ge=least, le=most)
    limits = {"least": least, "most": most}
    words = core_schema.custom_error_schema(schema, "whole", custom_error_message="", custom_error_context=limits)
    return GetPydanticSchema(lambda _kind, _handler: words)


def problem_with(rule: Callable[[str], object], text: str) -> str | None:
    """Return how a text breaks a rule, or None."""
    try:
        rule(text)
    except Invalid as invalid:
        return str(invalid)
    return None


def keys_of(table: type[Table]) -> dict[str, FieldInfo]:
    """Return the keys of a table. Fields without a description are set by borgpull itself."""
    return {field.alias or name: field for name, field in table.model_fields.items() if field.description}


def table_of(field: FieldInfo) -> type[Table] | None:
    """Return the table in a field, or in the list in it; None for a plain value."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Table)), None)


def is_named(field: FieldInfo) -> bool:
    """Tell whether a field holds tables with names of the operator's."""
    return get_origin(field.annotation) is dict


def header(table: str, field: FieldInfo) -> str:
    """Return the header of a table as a config has it."""
    if is_named(field):
        return f"[{table}.NAME]"
    return f"[[{table}]]" if get_origin(field.annotation) is tuple else f"[{table}]"
