"""The page of a command as `--help` prints it. plumbum's own names types, and lists switches that nobody needs."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator

from .page import Page

_WIDEST = 100
_INDENT = "  "
_WIDEST_TERM = 26


def help_text(page: Page) -> str:
    """Return the help of a command, as wide as the terminal is, and never wider than can be read."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    parts = [f"Usage: {page.usage}", textwrap.fill(page.summary, width)]
    parts += [textwrap.fill(paragraph, width) for paragraph in page.paragraphs]
    if page.commands:
        parts.append(_listed("Commands:", ((each.name, each.summary) for each in page.commands), width))
    parts.append(_listed("Options:", ((option.shown, option.text) for option in page.options), width))
    if page.commands:
        parts.append(f"`{page.command} COMMAND --help` tells more about each.")
    return "\n\n".join(parts) + "\n"


def _listed(title: str, entries: Iterable[tuple[str, str]], width: int) -> str:
    found = list(entries)
    room = max((len(term) for term, _ in found if len(term) <= _WIDEST_TERM), default=0)
    return "\n".join([title, *(line for term, text in found for line in _entry(term, text, room, width))])


def _entry(term: str, text: str, room: int, width: int) -> Iterator[str]:
    margin = " " * (len(_INDENT) + room + 2)
    lines = textwrap.wrap(text, max(width - len(margin), 20), break_on_hyphens=False) or [""]
    if len(term) > room:
        yield _INDENT + term
    else:
        yield f"{_INDENT}{term.ljust(room)}  {lines.pop(0)}".rstrip()
    yield from (margin + line for line in lines)
