"""From TOML text to plain dicts, or to where the text stops being TOML.

The words of a parser may quote a secret ("Unexpected character: 'h'"): only its class and numbers are used.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

import tomlkit
from tomlkit import exceptions as toml

from ..errors import ConfigError

_NOT_TOML = "this is not TOML: is a quote missing, or a `=`?"
_TWICE = "a key or a table stands here a second time: keep one of them"
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (toml.KeyAlreadyPresent, _TWICE),
    (toml.EmptyKeyError, "a key is expected here"),
    (toml.EmptyTableNameError, "the brackets hold no table name"),
    (toml.UnexpectedEofError, "the text ends within a value: a closing quote or bracket is missing"),
    (toml.InvalidControlChar, 'a control character or a line end in a text: use """ for a text of many lines'),
    (toml.InvalidCharInStringError, "a backslash sequence that TOML does not know: put the text in single quotes"),
    (toml.InvalidUnicodeValueError, "a \\u sequence that is no character"),
    (toml.InvalidNumberError, "a value that is no number: text needs quotes"),
    (toml.InvalidDateTimeError, "a value that is no date: text needs quotes"),
    (toml.InvalidDateError, "a value that is no date: text needs quotes"),
    (toml.InvalidTimeError, "a value that is no time: text needs quotes"),
    (toml.InvalidNumberOrDateError, "a value that is neither number nor date: text needs quotes"),
    (toml.UnexpectedCharError, _NOT_TOML),
)
_WHERE = re.compile(r"\(at line (\d+), column (\d+)\)\Z")


def parsed(text: str) -> dict[str, Any]:
    """Return the tables of `text`. Raises ConfigError, with line and column, when it is not TOML."""
    text = text.removeprefix("\ufeff")
    problem = _encoding_problem(text)
    if problem is None:
        try:
            return dict(tomlkit.parse(text).unwrap())
        except Exception as error:
            # Not TOMLKitError alone: fed with anything, a parser also raises ValueError or RecursionError.
            problem = f"{_place(text, error)}: {_cause(error)}"
    # Outside of `except`: a context would carry the parser's words, and they may quote a secret.
    raise ConfigError([problem])


def _encoding_problem(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line, column = _line_and_column(text, error.start)
        return f"line {line}, column {column}: this is not UTF-8: save the config as UTF-8"
    return None


def _cause(error: Exception) -> str:
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return cause
    said_twice = isinstance(error, toml.ParseError) and re.search("already exists|Redefinition", str(error))
    return _TWICE if said_twice else _NOT_TOML


def _place(text: str, error: Exception) -> str:
    line, column = _tomllib_position(text) or _tomlkit_position(error) or _line_and_column(text, len(text))
    return f"line {line}, column {column}"


def _tomllib_position(text: str) -> tuple[int, int] | None:
    # tomlkit 0.15.2 says 1:0 for an early end, and nothing at all for a repeated key in a sub-table.
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        return (int(where[1]), int(where[2])) if where else _line_and_column(text, len(text))
    except (ValueError, RecursionError):
        return None
    return None


def _tomlkit_position(error: Exception) -> tuple[int, int] | None:
    return (error.line, error.col + 1) if isinstance(error, toml.ParseError) else None


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
