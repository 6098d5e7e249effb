"""What a command says of itself: the one source of `--help` and shell completion.

It is read from the plumbum applications, so neither can know another option than the parser does. plumbum's
own help names types, and lists switches that nobody needs.
"""

from __future__ import annotations

import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from plumbum import cli

from .exits import ExitCodes

META = "Meta-switches"
_WIDEST = 100
_INDENT = "  "
_WIDEST_TERM = 26
_COMMAND = re.compile(r"`[^`]*`")


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
class Page:
    """A command as the operator types it; `commands` are those that it is made of, in the order of the applications."""

    command: str
    summary: str
    paragraph: str
    exit_codes: ExitCodes | None
    parameters: tuple[Parameter, ...]
    options: tuple[Option, ...]
    commands: tuple[Page, ...]

    @property
    def usage(self) -> str:
        words = ["COMMAND"] if self.commands else []
        words += ["[OPTION]..."] if self.options else []
        return " ".join([self.command, *words, *(parameter.shown for parameter in self.parameters)])

    @property
    def name(self) -> str:
        return self.command.rpartition(" ")[2]


class DocumentedCommand(cli.Application):
    """A plumbum application with a help of our own, of its docstring; the first paragraph is for the list of commands.

    It has EXIT_CODES where they are other ones than those of a run.
    """

    EXIT_CODES: ClassVar[ExitCodes | None] = None
    # What plumbum brings along: its own completion, help of everything at once, and a -v that stands for --version.
    UNWANTED: ClassVar[tuple[str, ...]] = ("completions", "help-all", "version", "v")

    def __init__(self, executable: str) -> None:
        super().__init__(executable)
        for name in self.UNWANTED:
            if name in self.options and self.options[name].group == META:
                del self.options[name]

    def __init_subclass__(cls) -> None:
        first, _, rest = (cls.__doc__ or "").partition("\n\n")
        cls.DESCRIPTION = cls.__dict__.get("DESCRIPTION", " ".join(first.split()))
        cls.DESCRIPTION_MORE = cls.__dict__.get("DESCRIPTION_MORE", " ".join(rest.split()))

    @property
    def options(self) -> dict[str, Any]:
        """What plumbum knows of each option, by its name without dashes."""
        return self._switches_by_name

    @property
    def subcommands(self) -> dict[str, type[DocumentedCommand]]:
        """The commands that this one is made of, loaded, in the order in which they were named."""
        return {name: cast("type[DocumentedCommand]", each.get()) for name, each in self._subcommands.items()}

    @cli.switch(["-h", "--help"], overridable=True, group=META, help="print this help")
    def help(self) -> None:
        sys.stdout.write(help_text(page_of(type(self))))


def page_of(command: type[DocumentedCommand]) -> Page:
    application = command("")
    return Page(
        command=str(command.PROGNAME),
        summary=command.DESCRIPTION or "",
        paragraph=command.DESCRIPTION_MORE or "",
        exit_codes=command.EXIT_CODES,
        parameters=() if application.subcommands else tuple(_parameters(command)),
        options=tuple(_options(application)),
        commands=tuple(page_of(each) for each in application.subcommands.values()),
    )


def _options(application: DocumentedCommand) -> Iterator[Option]:
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


def _parameters(command: type[DocumentedCommand]) -> Iterator[Parameter]:
    found = list(inspect.signature(command.main).parameters.values())[1:]
    for each in found:
        repeated = each.kind is inspect.Parameter.VAR_POSITIONAL
        name = (each.name.removesuffix("s") if repeated else each.name).upper().replace("_", "-")
        yield Parameter(name=name, optional=repeated or each.default is not each.empty, repeated=repeated)


def help_text(page: Page) -> str:
    """Return the help of a command, as wide as the terminal is, and never wider than can be read."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    parts = [f"Usage: {page.usage}", "\n".join(_wrapped(page.summary, width))]
    if page.paragraph:
        parts.append("\n".join(_wrapped(page.paragraph, width)))
    if page.commands:
        parts.append(_listed("Commands:", ((each.name, each.summary) for each in page.commands), width))
    parts.append(_listed("Options:", ((option.shown, option.text) for option in page.options), width))
    if page.exit_codes:
        parts.append(_listed(f"{page.exit_codes.title}:", page.exit_codes.meanings.items(), width))
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
