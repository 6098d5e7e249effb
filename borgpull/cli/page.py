"""What a command says of itself: the one source of `--help`, the man page and shell completion.

It is read from the plumbum applications, so none of the three can know another option than the parser does.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .command import Command

META = "Meta-switches"
_EXIT_CODES = re.compile(r"(Exit codes[^:]*): (.*?)\.(?: ([A-Z].*))?")
_EXIT_CODE = re.compile(r"([0-9]+(?: or [0-9]+)*) (.*)")


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option: its `names` with their dashes, the short one first; `argument` is empty when it takes none."""

    names: tuple[str, ...]
    argument: str
    text: str

    @property
    def shown(self) -> str:
        """Return it as it is written: `-c, --config FILE`."""
        names = ", ".join(self.names)
        return f"{names} {self.argument}" if self.argument else names


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A word that a command takes, such as NAME."""

    name: str
    optional: bool = False
    repeated: bool = False

    @property
    def shown(self) -> str:
        """Return it as it is written: `[NAME]...`."""
        return (f"[{self.name}]" if self.optional else self.name) + ("..." if self.repeated else "")


@dataclass(frozen=True, kw_only=True)
class ExitCodes:
    """What the exit codes of a command mean: a title, each code with its meaning, and what is to be said of all."""

    title: str
    meanings: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """A command as the operator types it; `commands` are those that it is made of, in the order of the applications."""

    command: str
    summary: str
    paragraphs: tuple[str, ...]
    exit_codes: ExitCodes | None
    parameters: tuple[Parameter, ...]
    options: tuple[Option, ...]
    commands: tuple[Page, ...]

    @property
    def usage(self) -> str:
        """Return the shape of the command line."""
        words = ["COMMAND"] if self.commands else []
        words += ["[OPTION]..."] if self.options else []
        return " ".join([self.command, *words, *(parameter.shown for parameter in self.parameters)])

    @property
    def name(self) -> str:
        """Return its last word."""
        return self.command.rpartition(" ")[2]


def page_of(command: type[Command]) -> Page:
    """Return the page of a command, and of the commands that it is made of."""
    application = command("")
    paragraphs = (command.DESCRIPTION_MORE or "").split("\n\n")
    exit_codes = [each for each in map(_exit_codes, paragraphs) if each]
    return Page(
        command=str(command.PROGNAME),
        summary=command.DESCRIPTION or "",
        paragraphs=tuple(text for text in paragraphs if text and not _exit_codes(text)),
        exit_codes=exit_codes[0] if exit_codes else None,
        parameters=() if application.subcommands else tuple(_parameters(command)),
        options=tuple(_options(application)),
        commands=tuple(page_of(each) for each in application.subcommands.values()),
    )


def _exit_codes(text: str) -> ExitCodes | None:
    """Return what a paragraph says of exit codes, None when it speaks of something else."""
    found = _EXIT_CODES.fullmatch(text)
    entries = [_EXIT_CODE.fullmatch(entry) for entry in found[2].split("; ")] if found else []
    meanings = tuple((entry[1], entry[2]) for entry in entries if entry)
    if found is None or len(meanings) < len(entries):
        return None
    return ExitCodes(title=found[1], meanings=meanings, note=found[3] or "")


def _options(application: Command) -> Iterator[Option]:
    """Yield the options, those of the command's own class before those that it inherits, `--help` last."""
    names: dict[Any, list[str]] = {}
    for kind in type(application).mro():
        for entry in vars(kind).values():
            info = getattr(entry, "_switch_info", None)
            if info is not None and info not in names:
                names[info] = [name for name in info.names if application.options.get(name) is info]
    for info in sorted(filter(names.get, names), key=lambda info: bool(info.group == META)):
        yield Option(
            names=tuple(map(_dashed, sorted(names[info], key=len))),
            argument=info.argname if info.argtype else "",
            text="; ".join([info.help or "", *_conditions(info)]),
        )


def _conditions(info: Any) -> Iterator[str]:  # noqa: ANN401
    if info.list:
        yield "may be given more than once"
    if info.requires:
        yield f"only with {', '.join(map(_dashed, info.requires))}"
    if info.excludes:
        yield f"not with {', '.join(map(_dashed, info.excludes))}"


def _dashed(name: str) -> str:
    return ("-" if len(name) == 1 else "--") + name


def _parameters(command: type[Command]) -> Iterator[Parameter]:
    found = list(inspect.signature(command.main).parameters.values())[1:]
    for each in found:
        repeated = each.kind is inspect.Parameter.VAR_POSITIONAL
        name = (each.name.removesuffix("s") if repeated else each.name).upper().replace("_", "-")
        yield Parameter(name=name, optional=repeated or each.default is not each.empty, repeated=repeated)
