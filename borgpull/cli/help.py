"""The base of every command: a plumbum application with errors and help of our own.

plumbum would print errors on stdout and exit 2, which here means that a target failed; its help names types, and lists
switches without a use. Help and shell completion are read from the applications, so neither can know another option
than the parser does.
"""

from __future__ import annotations

import difflib
import inspect
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, SupportsIndex

from plumbum import cli
from plumbum.cli.application import ShowHelp, ShowVersion
from plumbum.cli.switches import MissingArgument, SwitchError, UnknownSwitch

from ..errors import UsageError

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


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A word that a command takes, such as NAME."""

    name: str
    optional: bool
    repeated: bool

    @property
    def shown(self) -> str:
        """Return it as it is written: `[NAME]...`."""
        return (f"[{self.name}]" if self.optional else self.name) + ("..." if self.repeated else "")


class Page:
    """A command as the operator types it, `name`; `commands` are those that it is made of, each with its summary."""

    def __init__(self, command: type[Command], name: str, summary: str = "") -> None:
        self.name = name
        self.summary = summary
        self.paragraph = " ".join((command.__doc__ or "").split())
        self.exit_codes = command.EXIT_CODES
        self.commands = command.COMMANDS
        self.parameters = [] if self.commands else list(_parameters(command))
        self._application = command(name)
        self.options = list(_options(self._application))

    @property
    def usage(self) -> str:
        words = ["COMMAND"] if self.commands else []
        words += ["[OPTION]..."] if self.options else []
        return " ".join([self.name, *words, *(parameter.shown for parameter in self.parameters)])

    def inner(self, word: str) -> Page:
        """Return the page of one of `commands`."""
        loaded: Any = self._application._subcommands[word].get()
        return Page(loaded, f"{self.name} {word}", self.commands[word])


class _Words(list[str]):
    """The words of a command line; `option` is the last one taken off that begins with a dash."""

    option = ""

    def pop(self, index: SupportsIndex = -1) -> str:
        word = super().pop(index)
        if word.startswith("-"):
            self.option = word.partition("=")[0] if word.startswith("--") else word[:2]
        return word


class Command(cli.Application):
    """A command with errors of ours for a wrong command line; its docstring is part of its help.

    Its summary is in the COMMANDS of its group. EXIT_CODES are listed in its help.
    """

    COMMANDS: ClassVar[Mapping[str, str]] = {}
    EXIT_CODES: ClassVar[Mapping[str, str]] = {}
    # What plumbum brings along: its own completion, help of everything at once, and a -v that stands for --version.
    UNWANTED: ClassVar[tuple[str, ...]] = ("completions", "help-all", "version", "v")

    def __init__(self, executable: str) -> None:
        super().__init__(executable)
        for name in self.UNWANTED:
            if name in self.options and self.options[name].group == META:
                del self.options[name]

    @property
    def options(self) -> dict[str, Any]:
        """What plumbum knows of each option, by its name without dashes."""
        return self._switches_by_name

    @cli.switch(["-h", "--help"], overridable=True, group=META, help="print this help")
    def help(self) -> None:
        name = str(self.PROGNAME)
        summary = self.parent.COMMANDS[name.rpartition(" ")[2]] if self.parent else ""
        sys.stdout.write(help_text(Page(type(self), name, summary)))

    @property
    def see(self) -> str:
        return f"see `{self.PROGNAME} --help`"

    def _parse_args(self, argv: list[str]) -> Any:  # noqa: ANN401 - plumbum's own shape
        words = _Words(argv)
        try:
            return super()._parse_args(words)
        except UnknownSwitch:
            cause = f"there is no option {words.option}"
        except MissingArgument:
            cause = f"{words.option} needs a value"
        except SwitchError:
            cause = f"{words.option} is given twice, or with a value that it does not take"
        raise UsageError(cause, hint=self.see)

    def _validate_args(self, swfuncs: Any, tailargs: Sequence[str]) -> Any:  # noqa: ANN401
        try:
            return super()._validate_args(swfuncs, tailargs)
        except (ShowHelp, ShowVersion):
            raise
        except SwitchError:
            raise UsageError(self._misfit(swfuncs), hint=self._fed_with(tailargs) or self.see) from None

    def _fed_with(self, words: Sequence[str]) -> str:
        """Return how to give a file to this command that was named in its words; "" without one."""
        file = next((word for word in words if word.endswith(".toml") or Path(word).is_file()), "")
        return file and f"did you mean `{self.PROGNAME} < {shlex.quote(file)}`?"

    def _misfit(self, given: Mapping[Any, Any]) -> str:
        """Say which of the `given` options, by their functions, do not fit together, or that the words do not."""
        for info in self._switches_by_func.values():
            if info.mandatory and info.func not in given:
                return f"{_dashed(info.names[-1])} is missing"
        for func, used in given.items():
            info = self._switches_by_func[func]
            for name in info.excludes:
                if other := given.get(self.options[name].func):
                    return f"{used.swname} does not go with {other.swname}"
            for name in info.requires:
                if self.options[name].func not in given:
                    return f"{used.swname} needs {_dashed(name)} too"
        return f"too few words or too many: `{Page(type(self), str(self.PROGNAME)).usage}`"


class Group(Command):
    """A command that is made of COMMANDS, each with its summary: its class is loaded when it is typed."""

    COMMANDS: ClassVar[Mapping[str, str]]

    def main(self, *words: str) -> int:
        """Refuse what is no subcommand: those were dispatched before."""
        if self.nested_command:
            return 0
        names = list(self.COMMANDS)
        if not words:
            raise UsageError(f"`{self.PROGNAME}` needs one of its commands: {', '.join(names)}", hint=self.see)
        nearest = difflib.get_close_matches(words[0], names, n=1)
        meant = f"did you mean `{self.PROGNAME} {nearest[0]}`?" if nearest else self.see
        hint = self._fed_with(words) or meant
        raise UsageError(f"there is no command `{self.PROGNAME} {words[0]}`", hint=hint)


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


def help_text(page: Page) -> str:
    """Return the help of a command, as wide as the terminal is, and never wider than can be read."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    parts = [f"Usage: {page.usage}"]
    parts += ["\n".join(_wrapped(text, width)) for text in (page.summary, page.paragraph) if text]
    if page.commands:
        parts.append(_listed("Commands:", page.commands.items(), width))
    parts.append(_listed("Options:", ((_written(option), option.text) for option in page.options), width))
    if page.exit_codes:
        parts.append(_listed("Exit codes:", page.exit_codes.items(), width))
    if page.commands:
        parts.append(f"Run `{page.name} COMMAND --help` for more about each.")
    return "\n\n".join(parts) + "\n"


def _written(option: Option) -> str:
    """Return an option as it is written: `-c, --config FILE`."""
    return f"{', '.join(option.names)} {option.argument}".rstrip()


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
    """Return the lines of a text; a command in backticks is for copying, and stays in one line."""
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    return [line.replace("\0", " ") for line in textwrap.wrap(kept, width, break_on_hyphens=False)]
