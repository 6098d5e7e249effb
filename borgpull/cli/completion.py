"""`borgpull completion SHELL`: the script by which a shell completes command lines of borgpull, and what it asks for.

What a word can be completed to is read from the word's line and, for names, from a plain config that the line names.
It runs nothing, decrypts nothing, and fails silently: somebody is in the middle of typing.
"""

from __future__ import annotations

import contextlib
import functools
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..ui import console
from .app import BorgPull
from .exit_codes import DONE
from .help import Command, Option, Page, Parameter, page_of

WORDS, FILES, DIRECTORIES = ":words", ":files", ":directories"
_MOST_CONFIG = 16 * 1024 * 1024
SHELLS = ("bash", "zsh", "fish")


class Completion(Command):
    """It completes commands, options, and names of targets.

    Names are found where the line names a plain config with --config; nothing is ever decrypted for them. The scripts
    ask `borgpull completion words -- LINE...`, so they need not be made again for another version.
    """

    def main(self, shell: str, *words: str) -> int:
        if shell == "words":
            console.data("\n".join(answer(page_of(BorgPull, "borgpull"), words).lines()) + "\n")
        elif shell in SHELLS and not words:
            console.data(
                resources.files(__package__).joinpath("scripts", f"completion.{shell}").read_text(encoding="utf-8")
            )
        else:
            raise UsageError(f"`{self.PROGNAME}` knows bash, zsh and fish", hint=self.see)
        return DONE


@dataclass(frozen=True)
class Answer:
    """What may stand there: files, directories, or `words` with what they are for."""

    kind: str = WORDS
    words: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """Return it as the scripts read it: the kind, then a line a word."""
        shown = [(word, text) for word, text in self.words if word.isprintable()]
        return [self.kind, *(f"{word}\t{' '.join(text.split())}" for word, text in shown)]


@dataclass(frozen=True)
class _Typed:
    """What a line says before the word to be completed."""

    page: Page
    words: tuple[str, ...] = ()
    pending: Option | None = None
    only_words: bool = False
    config: str = field(default="", repr=False)


def answer(whole: Page, line: Sequence[str]) -> Answer:
    """Return what the last word of a line can be completed to; the first is the program itself."""
    *before, last = line[1:] or [""]
    typed = functools.reduce(_after, before, _Typed(whole))
    found = _possible(typed, last)
    return replace(found, words=tuple(each for each in found.words if each[0].startswith(last)))


def _after(typed: _Typed, word: str) -> _Typed:
    if typed.pending:
        config = word if "--config" in typed.pending.names else typed.config
        return replace(typed, pending=None, config=config)
    if word == "--":
        return replace(typed, only_words=True)
    if word.startswith("-") and not typed.only_words:
        page, option = _option(typed.page, word)
        return replace(typed, page=page, pending=option if option and option.argument else None)
    inner = _command(typed.page, word) if not typed.words else None
    return replace(typed, page=inner) if inner else replace(typed, words=(*typed.words, word))


def _option(page: Page, name: str) -> tuple[Page, Option | None]:
    """Return an option and whose it is: one that `borgpull` itself does not know is one of `borgpull run`."""
    for each in filter(None, (page, _command(page, "run"))):
        for option in each.options:
            if name in option.names:
                return each, option
    return page, None


def _command(page: Page, name: str) -> Page | None:
    return page.inner(name) if name in page.commands else None


def _possible(typed: _Typed, last: str) -> Answer:
    if typed.pending:
        return _values(typed.pending.argument, typed)
    if last.startswith("-") and not typed.only_words:
        return Answer(words=tuple(_options(typed.page)))
    if typed.page.commands and not typed.words:
        return Answer(words=tuple(typed.page.commands.items()))
    parameter = _parameter(typed.page.parameters, len(typed.words))
    return _values(parameter.name, typed) if parameter else Answer()


def _options(page: Page) -> Iterator[tuple[str, str]]:
    for each in filter(None, (page, _command(page, "run"))):
        for option in each.options:
            if each is page or "--help" not in option.names:
                yield from ((name, option.text) for name in option.names)


def _parameter(parameters: Sequence[Parameter], number: int) -> Parameter | None:
    if number < len(parameters):
        return parameters[number]
    return parameters[-1] if parameters and parameters[-1].repeated else None


def _values(name: str, typed: _Typed) -> Answer:
    """Return what stands for a NAME, FILE, DIR or SHELL; for anything else nobody knows."""
    if name in {"FILE", "DIR"}:
        return Answer(FILES if name == "FILE" else DIRECTORIES)
    if name == "SHELL":
        return Answer(words=tuple((shell, "") for shell in SHELLS))
    if name == "NAME":
        return Answer(words=tuple((each, "") for each in _targets(typed.config) if each not in typed.words))
    return Answer()


def _targets(typed: str) -> Iterator[str]:
    """Yield the names of the targets in a plain config; none if it is not plain."""
    # A pipe is not opened: somebody else is to read it. So is nothing else that is no file.
    with contextlib.suppress(OSError, ValueError, TypeError, RuntimeError, RecursionError):
        file = Path(typed).expanduser()
        if file.is_file() and file.stat().st_size < _MOST_CONFIG:
            tree = tomllib.loads(file.read_text(encoding="utf-8-sig"))
            yield from filter(None, (_at(table, "name") for table in _at(tree, "servers")))


def _at(table: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever TOML holds
    return next((value for key, value in table.items() if key.casefold() == name), ())
