"""`borgpull man`: the man page, in roff, written from the same pages as `--help`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .. import __version__
from .command import Command
from .exits import DONE
from .help import Option, Page, page_of

_SPAN = re.compile(r"`([^`]+)`")
_ROFF = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti"}
_FILES = (
    (
        "the config",
        "TOML, on standard input or from `--config FILE`; `borgpull config example` prints one to begin with. "
        "It holds all keys and passphrases: keep it encrypted, and pipe it in.",
    ),
    ("/run/secrets/borgpull", "Read when there is no `--config`, and standard input is a terminal or /dev/null."),
    ("$XDG_CACHE_HOME/borgpull", "Borg's cache on this machine: no secrets, but gigabytes. Or `--cache-dir DIR`."),
    (
        "$XDG_RUNTIME_DIR, /run/user/UID, /run, /dev/shm",
        "Where keys and known_hosts lie, in a private folder on a tmpfs, until a connection is up.",
    ),
    (
        "RootDir/.borgpull",
        "On the backup server: what was verified of each repository, and during a session its snapshot.",
    ),
)
_ENVIRONMENT = (
    ("NO_COLOR, FORCE_COLOR, TERM", "Whether there is colour, and a table that repaints itself."),
    ("XDG_CACHE_HOME, XDG_RUNTIME_DIR", "See FILES."),
)
_EXAMPLES = (
    ("age -d config.toml.age | borgpull", "Back up every target."),
    ("borgpull doctor web1 < config.toml", "See whether a backup of web1 would go, and what stands in its way."),
    ("borgpull status --json < config.toml", "What the backup server knows of each target, for programs."),
    ("borgpull completion bash", "The script by which bash completes all of this."),
)


class Man(Command):
    """Print the man page, with every command and option.

    `borgpull man | man -l -` shows it. For `man borgpull` to find it:
    `borgpull man > /usr/local/share/man/man1/borgpull.1`.
    """

    PROGNAME = "borgpull man"

    def main(self) -> int:
        from ..ui import console  # noqa: PLC0415 - `--help` shall answer at once
        from .app import BorgPull  # noqa: PLC0415 - it names this command

        console.data(roff(page_of(BorgPull), version=__version__))
        return DONE


def roff(page: Page, *, version: str) -> str:
    summary, _, more = page.summary.partition(". ")
    lines = [
        f'.TH {page.name.upper()} 1 "" "{page.name} {version}" "User Commands"',
        ".SH NAME",
        f"{page.name} \\- {_text(summary[:1].lower() + summary[1:])}",
        ".SH SYNOPSIS",
        *_synopsis(page),
        ".SH DESCRIPTION",
        *_paragraphs([more, page.paragraph]),
        ".SH OPTIONS",
        *_listed((option.shown, option.text) for option in page.options),
        ".SH COMMANDS",
        *(line for each in page.commands for line in _command(each)),
        ".SH EXIT STATUS",
        "Of a run; where a command has others, they stand with it. The worst one wins: 3 over 130 and 143 over 2.",
        *_listed(page.exit_codes.meanings.items() if page.exit_codes else ()),
        ".SH FILES",
        *_listed(_FILES),
        ".SH ENVIRONMENT",
        *_listed(_ENVIRONMENT),
        ".SH EXAMPLES",
        *_listed(_EXAMPLES),
        ".SH SEE ALSO",
        ".BR borg (1),",
        ".BR ssh (1),",
        ".BR socat (1)",
    ]
    return "\n".join(lines) + "\n"


def _synopsis(page: Page) -> Iterator[str]:
    for number, words in enumerate((" [OPTION]...", page.usage.removeprefix(page.name))):
        if number:
            yield ".br"
        yield f"\\fB{_text(page.name)}\\fP{_text(words)}"


def _command(page: Page) -> Iterator[str]:
    """Yield a command's own section, or one for each of those that it is made of."""
    yield f'.SS "{_text(page.usage)}"'
    yield from _paragraphs([page.summary, page.paragraph])
    yield from _listed((option.shown, option.text) for option in page.options if not _is_help(option))
    if page.exit_codes:
        yield from (".PP", f"{_text(page.exit_codes.title)}:", *_listed(page.exit_codes.meanings.items()))
        yield from (".PP", _text(page.exit_codes.note)) if page.exit_codes.note else ()
    for each in page.commands:
        yield from _command(each)


def _is_help(option: Option) -> bool:
    return "--help" in option.names


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(filter(None, texts)):
        if number:
            yield ".PP"
        yield _text(text)


def _listed(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in entries:
        yield from (".TP", f"\\fB{_text(term)}\\fP", _text(text))


def _text(text: str) -> str:
    """Return a text so that roff prints it as it is, dashes too, which people copy; what is in backticks is bold."""
    letters = (_ROFF.get(letter, letter if letter.isascii() else f"\\[u{ord(letter):04X}]") for letter in text)
    bold = _SPAN.sub(r"\\fB\1\\fP", "".join(letters))
    return f"\\&{bold}" if bold.startswith(".") else bold
