"""`borgpull completion SHELL`: the script by which a shell completes command lines of borgpull, and what it asks for.

What a word can be is read from its line and, for names, from a plain config that the line names. It runs nothing,
decrypts nothing, and fails silently: the operator is in the middle of typing.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..ui import console
from .app import BorgPull
from .exit_codes import DONE
from .help import Command, Option, Page

WORDS, FILES, DIRECTORIES = ":words", ":files", ":directories"
_MOST_CONFIG = 16 * 1024 * 1024
SHELLS = ("bash", "zsh", "fish")


class Completion(Command):
    """It completes commands, options, and names of targets.

    It finds the names where the line has a plain config with --config, and never decrypts one. The scripts run
    `borgpull completion words -- LINE...`, so they need not be made again for another version.
    """

    def main(self, shell: str, *words: str) -> int:
        if shell == "words":
            console.data("\n".join(answer(Page(BorgPull, "borgpull"), words)) + "\n")
        elif shell in SHELLS and not words:
            console.data(
                resources.files(__package__).joinpath("completions", f"completion.{shell}").read_text(encoding="utf-8")
            )
        else:
            raise UsageError(f"`{self.PROGNAME}` knows bash, zsh and fish", hint=self.see)
        return DONE


def answer(page: Page, line: Sequence[str]) -> list[str]:
    """Return what the last word of a line can be, as the scripts read it: a kind, then a line for each word.

    `page` is that of the program, the first word of the line.
    """
    *before, last = line[1:] or [""]
    words: list[str] = []
    pending: Option | None = None
    config, may_be_option = "", True
    for word in before:
        if pending:
            config = word if "--config" in pending.names else config
            pending = None
        elif word == "--":
            may_be_option = False
        elif word.startswith("-") and may_be_option:
            page, pending = _taking(page, word)
        elif word in page.commands and not words:
            page = page.inner(word)
        else:
            words.append(word)
    if not pending and last.startswith("-") and may_be_option:
        return _words(_options(page), last)
    if not pending and page.commands and not words:
        return _words(page.commands, last)
    return _values(pending.argument if pending else _parameter(page, len(words)), last, words, config)


def _words(found: Mapping[str, str], last: str) -> list[str]:
    fitting = {word: text for word, text in found.items() if word.startswith(last) and word.isprintable()}
    return [WORDS, *(f"{word}\t{' '.join(text.split())}" for word, text in fitting.items())]


def _pages(page: Page) -> list[Page]:
    """Return the pages whose options can follow: what `borgpull` itself does not know is an option of a run."""
    return [page, page.inner("run")] if "run" in page.commands else [page]


def _taking(page: Page, name: str) -> tuple[Page, Option | None]:
    """Return the page that an option is of, and the option if it takes a value."""
    found = [(each, option) for each in _pages(page) for option in each.options if name in option.names]
    owner, option = found[0] if found else (page, None)
    return owner, option if option and option.argument else None


def _options(page: Page) -> dict[str, str]:
    # Those of the page itself come last into the dict, for its own --help is the one that counts.
    options = [option for each in reversed(_pages(page)) for option in each.options]
    return {name: option.text for option in options for name in option.names}


def _parameter(page: Page, number: int) -> str:
    if number < len(page.parameters):
        return page.parameters[number].name
    return page.parameters[-1].name if page.parameters and page.parameters[-1].repeated else ""


def _values(name: str, last: str, words: Sequence[str], config: str) -> list[str]:
    """Return what can be a NAME, FILE, DIR or SHELL; nothing is known of other words."""
    match name:
        case "FILE":
            return [FILES]
        case "DIR":
            return [DIRECTORIES]
        case "SHELL":
            return _words(dict.fromkeys(SHELLS, ""), last)
        case "NAME":
            return _words({target: "" for target in _targets(config) if target not in words}, last)
    return [WORDS]


def _targets(config: str) -> Iterator[str]:
    """Yield the names of the targets in a plain config; none if it is not plain."""
    # A pipe is not opened: another program is to read it. So is nothing else that is no file.
    with contextlib.suppress(OSError, ValueError, TypeError, RuntimeError, RecursionError):
        file = Path(config).expanduser()
        if file.is_file() and file.stat().st_size < _MOST_CONFIG:
            tree = tomllib.loads(file.read_text(encoding="utf-8-sig"))
            yield from filter(None, (_at(table, "name") for table in _at(tree, "servers")))


def _at(table: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever TOML holds
    return next((value for key, value in table.items() if key.casefold() == name), ())
