"""The page of a command as `--help` prints it. plumbum's own names types, and lists switches that nobody needs."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator

from .page import Page

_WIDEST = 100
_INDENT = "  "
_WIDEST_TERM = 26
_COMMAND = re.compile(r"`[^`]*`")


def help_text(page: Page) -> str:
    """Return the help of a command, as wide as the terminal is, and never wider than can be read."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    parts = [f"Usage: {page.usage}", "\n".join(_wrapped(page.summary, width))]
    parts += ["\n".join(_wrapped(paragraph, width)) for paragraph in page.paragraphs]
    if page.commands:
        parts.append(_listed("Commands:", ((each.name, each.summary) for each in page.commands), width))
    parts.append(_listed("Options:", ((option.shown, option.text) for option in page.options), width))
    if page.exit_codes:
        parts.append(_listed(f"{page.exit_codes.title}:", page.exit_codes.meanings, width))
        parts += _wrapped(page.exit_codes.note, width)
    if page.commands:
        parts.append(f"`{page.command} COMMAND --help` tells more about each.")
    return "\n\n".join(parts) + "\n"


def _listed(title: str, entries: Iterable[tuple[str, str]], width: int) -> str:
    found = list(entries)
    room = max((len(term) for term, _ in found if len(term) <= _WIDEST_TERM), default=0)
    return "\n".join([title, *(line for term, text in found for line in _entry(term, text, room, width))])


def _entry(term: str, text: str, room: int, width: int) -> Iterator[str]:
    margin = " " * (len(_INDENT) + room + 2)
    lines = _wrapped(text, max(width - len(margin), 20)) or [""]
    if len(term) > room:
        yield _INDENT + term
    else:
        yield f"{_INDENT}{term.ljust(room)}  {lines.pop(0)}".rstrip()
    yield from (margin + line for line in lines)


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text; what is in backticks is a command that somebody copies, and stays in one line."""
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    return [line.replace("\0", " ") for line in textwrap.wrap(kept, width, break_on_hyphens=False)]
