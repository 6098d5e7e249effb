"""What the tables of the config are made of: their model, and single fields that obey a rule.

A rule returns what is wrong with a value and what to do, or None.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr
from pydantic_core import PydanticCustomError

RULE = "borgpull_rule"
Rule = Callable[[str], str | None]


def text(rule: Rule) -> AfterValidator:

    def obey(value: str) -> str:
        _raise(rule(value))
        return value

    return AfterValidator(obey)


def secret(rule: Rule) -> AfterValidator:

    def obey(value: SecretStr) -> SecretStr:
        _raise(rule(value.get_secret_value()))
        return value

    return AfterValidator(obey)


def _raise(problem: str | None) -> None:
    if problem is not None:
        raise PydanticCustomError(RULE, "{problem}", {"problem": problem})


class Table(BaseModel):
    """A table: nothing but the keys that it knows, of the types that it names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
