"""What an operator reads: parties in full, and commands that can be pasted whatever a target is called."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.errors import plural
from borgpull.repository.verification import recovery_hint

PACKAGE = Path(__file__).parents[2] / "borgpull"
# The letters of the diagrams, where a sentence would have them.
LETTER = re.compile(r"\b(?:on|of|from|to|by|with|and|that|the) [BCT]\b(?!['.]?[A-Za-z])|\b[BCT]'s\b|^[BCT](?: [a-z]|:)")
# A command between backticks, with a value in it: who prints a command asks `command_line` to quote it.
UNQUOTED = re.compile(r"`borgpull [^`]*\{(?![A-Z_]+\})[^`]*`")


def texts() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each literal but docstrings; {name} stands for a value in an f-string."""
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            where = f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                yield (
                    where,
                    "".join(
                        f"{{{ast.unparse(part.value)}}}" if isinstance(part, ast.FormattedValue) else str(part.value)  # type: ignore[attr-defined]
                        for part in node.values
                    ),
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented | parts:
                yield where, node.value


@pytest.mark.parametrize("pattern", [LETTER, UNQUOTED], ids=["letters", "unquoted"])
def test_no_message_names_a_party_by_a_letter_or_a_command_that_a_shell_would_split(pattern):
    found = list(texts())
    assert any("was tampered with" in text for _, text in found)
    assert any("{command_line(" in text for _, text in found)
    assert [(where, text[:80]) for where, text in found if pattern.search(text)] == []


@pytest.mark.parametrize("text", ["its borg serve on B is stopped", "B gives no shell", "T's clock is wrong", "C: no"])
def test_letters_would_be_found(text):
    assert LETTER.search(text)


@pytest.mark.parametrize("text", ["type `borgpull rollback {name}`", "`borgpull list {self.target.name} --why` shows"])
def test_commands_that_are_not_quoted_would_be_found(text):
    assert UNQUOTED.search(text)


def test_a_hint_can_be_pasted_whatever_the_target_is_called():
    hint = recovery_hint("Büro 3; true", rollback=True)
    assert "`borgpull rollback 'Büro 3; true'`" in hint
    assert "`borgpull accept 'Büro 3; true'`" in hint


def test_one_is_singular():
    assert [plural(count, "segment") for count in (0, 1, 2)] == ["0 segments", "1 segment", "2 segments"]
    words = [plural(count, "archive is", "archives are") for count in (1, 2)]
    assert words == ["1 archive is", "2 archives are"]
