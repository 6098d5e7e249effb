"""From TOML text to plain dicts, or to the place where the text stops being TOML.

A parser's message may quote a secret: only its beginning and its numbers are used.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from typing import Any

import tomlkit

from ..errors import ConfigError, ConfigProblem

# The beginnings of tomllib's messages (3.11 to 3.14), and our own words.
_CAUSES = (
    (r"Cannot |Duplicate ", "this key or table is there a second time: keep one of them"),
    (r"Unterminated|Unclosed|Expected ['\"]{4}", "the text ends inside a value: a closing quote or bracket is missing"),
    (
        r"Illegal character|Found invalid character",
        'a text contains a control character or a line end: use """ for several lines',
    ),
    (r"Unescaped", "unknown backslash sequence: put the text in single quotes"),
    (r"Invalid hex|Escaped character", "this \\u sequence is not a character"),
    (r"Invalid initial", "expected a key or the name of a table here"),
    (r"Expected newline", "the value should end here: is a quote missing, or one too many? Text needs quotes"),
    (r"", "this is not TOML: is a quote missing, or a `=`?"),
)
_WHERE = re.compile(r"\(at line (\d+), column (\d+)\)\Z")


def parse(text: str) -> dict[str, Any]:
    """Return the tables of `text`. Raises ConfigError, with line and column, when it is not TOML."""
    text = text.removeprefix("\ufeff")
    try:
        text.encode()
        return tomllib.loads(text)
    except UnicodeEncodeError as error:
        problem = f"{_place(text[: error.start])}: this is not UTF-8: save the config as UTF-8"
    except (ValueError, RecursionError) as error:
        problem = _problem(text, str(error))
        # tomlkit reads TOML 1.1 too (0.15.2), in ten times the time. On bad input it raises any exception.
        with contextlib.suppress(Exception):
            return dict(tomlkit.parse(text).unwrap())
    # Outside of `except`: a context would carry the parser's message, which may quote a secret.
    raise ConfigError([ConfigProblem(problem)])


def _problem(text: str, said: str) -> str:
    where = _WHERE.search(said)
    place = f"line {where[1]}, column {where[2]}" if where else _place(text)
    return f"{place}: {next(words for pattern, words in _CAUSES if re.match(pattern, said))}"


def _place(before: str) -> str:
    lines = before.split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}"
