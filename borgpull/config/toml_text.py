"""From TOML text to plain dicts, or to where the text stops being TOML.

The words of a parser may quote a secret: of them only their beginning and their numbers are used.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from typing import Any

import tomlkit

from ..errors import ConfigError, ConfigProblem

# What tomllib says (3.11 to 3.14), and what we say for it.
_CAUSES = (
    (r"Cannot |Duplicate ", "a key or a table stands here a second time: keep one of them"),
    (r"Unterminated|Unclosed|Expected ['\"]{4}", "the text ends within a value: a closing quote or bracket is missing"),
    (
        r"Illegal character|Found invalid character",
        'a control character or a line end in a text: use """ for a text of many lines',
    ),
    (r"Unescaped", "a backslash sequence that TOML does not know: put the text in single quotes"),
    (r"Invalid hex|Escaped character", "a \\u sequence that is no character"),
    (r"Invalid initial", "a key or the name of a table is expected here"),
    (r"Expected newline", "the value should end here: is a quote missing, or one too many? Text needs quotes"),
    (r"", "this is not TOML: is a quote missing, or a `=`?"),
)
_WHERE = re.compile(r"\(at line (\d+), column (\d+)\)\Z")


def parsed(text: str) -> dict[str, Any]:
    """Return the tables of `text`. Raises ConfigError, with line and column, when it is not TOML."""
    text = text.removeprefix("\ufeff")
    problem = _encoding_problem(text)
    if problem is None:
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            problem = _problem(text, str(error))
        # It takes ten times as long, and takes TOML 1.1 (0.15.2). Fed with anything, it raises what it likes.
        with contextlib.suppress(Exception):
            return dict(tomlkit.parse(text).unwrap())
    # Outside of `except`: a context would carry the parser's words, and they may quote a secret.
    raise ConfigError([ConfigProblem(problem)])


def _encoding_problem(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"{_place(text[: error.start])}: this is not UTF-8: save the config as UTF-8"
    return None


def _problem(text: str, said: str) -> str:
    where = _WHERE.search(said)
    place = f"line {where[1]}, column {where[2]}" if where else _place(text)
    return f"{place}: {next(words for pattern, words in _CAUSES if re.match(pattern, said))}"


def _place(before: str) -> str:
    lines = before.split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}"
