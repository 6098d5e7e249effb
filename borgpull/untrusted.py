"""Text from a target or the backup server is untrusted: it is bounded in length and cannot move a cursor.

It passes through `clean` before it is stored, logged, shown or reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 500
MOST_LINES = 40

# What sudo says where a host does not know its own name, and how borg ends a traceback.
_NO_CAUSE = re.compile(r"sudo: unable to resolve host|(?:Platform|Linux|Borg|PID|sys\.argv|SSH_ORIGINAL_COMMAND): ")
_REFUSED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: str | bytes, *, longest: int = LONGEST) -> str:
    """Return `text` as one printable line of at most `longest` characters.

    Control and format characters (escape sequences, bidi controls, line breaks) become a visible "�"; tabs and
    line ends become a space. Bytes are read as UTF-8, what is not becomes "�".
    """
    head = text[: longest * 4] if isinstance(text, bytes) else text[: longest + 1]
    words = head.decode("utf-8", "replace") if isinstance(head, bytes) else head
    # Nearly always it is; letter by letter, a flood of long lines would keep the controller from everything else.
    shown = (words if words.isprintable() else "".join(map(_printable, words))).strip()
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def shown(text: str, *, longest: int = LONGEST) -> str:
    """Return `text` as `clean` does; the common case, clean already, costs next to nothing."""
    return text if len(text) <= longest and text.isprintable() else clean(text, longest=longest)


def last_lines(text: str | bytes) -> str:
    """Return the last MOST_LINES lines of `text` that are not empty, each clean: they say why something failed."""
    tail = text[-MOST_LINES * LONGEST * 4 :]
    words = tail.decode("utf-8", "replace") if isinstance(tail, bytes) else tail
    lines = [line for line in words.splitlines() if line.strip()]
    return "\n".join(clean(line) for line in lines[-MOST_LINES:])


def last_telling(lines: Iterable[str]) -> list[str]:
    """Return the last line that may say why something failed, if there is one."""
    return [line for line in lines if line and not _NO_CAUSE.match(line)][-1:]


def _printable(letter: str) -> str:
    if letter in "\t\r\n":
        return " "
    return "�" if unicodedata.category(letter) in _REFUSED else letter
