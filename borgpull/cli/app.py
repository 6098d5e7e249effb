"""The borgpull application: its subcommands, and how errors end.

Every error ends here as `error:` and `hint:` lines, never as a traceback.
"""

from __future__ import annotations

import signal
from types import FrameType

from plumbum import cli

from .. import __version__
from ..errors import ConfigError, Failure, TamperedError
from . import exits
from .command import Group
from .help import META


class BorgPull(Group):
    """The command `borgpull`, whose own words are DESCRIPTION."""

    PROGNAME = "borgpull"
    VERSION = __version__
    UNWANTED = ("completions", "help-all", "v")
    DESCRIPTION = (
        "Back up many servers with BorgBackup in pull mode, close to zero trust. Without a COMMAND it is "
        "`borgpull run`: `borgpull < config.toml` backs up every target of the config."
    )
    EXIT_CODES = exits.OF_RUN

    @cli.switch(["--version"], overridable=True, group=META, help="print the version")
    def version(self) -> None:
        super().version()


BorgPull.subcommand("run", "borgpull.cli.run.Run")
BorgPull.subcommand("doctor", "borgpull.cli.doctor.Doctor")
BorgPull.subcommand("status", "borgpull.cli.status.Status")
BorgPull.subcommand("list", "borgpull.cli.list.List")
BorgPull.subcommand("restore", "borgpull.cli.restore.Restore")
BorgPull.subcommand("borg", "borgpull.cli.borg.Borg")
BorgPull.subcommand("drill", "borgpull.cli.drill.Drill")
BorgPull.subcommand("rollback", "borgpull.cli.rollback.Rollback")
BorgPull.subcommand("accept", "borgpull.cli.accept.Accept")
BorgPull.subcommand("release", "borgpull.cli.release.Release")
BorgPull.subcommand("expect", "borgpull.cli.expect.Expect")
BorgPull.subcommand("keep", "borgpull.cli.keep.Keep")
BorgPull.subcommand("key", "borgpull.cli.key.Key")
BorgPull.subcommand("config", "borgpull.cli.config.ConfigCommands")
BorgPull.subcommand("completion", "borgpull.cli.completion.Completion")

_OF_THE_WHOLE = {"-h", "--help", "--version"}


def main(argv: list[str]) -> int:
    signal.signal(signal.SIGTERM, _unwind)
    program, *words = argv
    if not words or (words[0].startswith("-") and words[0] not in _OF_THE_WHOLE):
        words = ["run", *words]
    try:
        _, code = BorgPull.run([program, *words], exit=False)
        return int(code)
    except Failure as failure:
        return _tell(failure)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _unwind(number: int, _: FrameType | None) -> None:
    # Until a run has its own handlers. The default action would leave the private directory behind, and as process 1
    # of a container there is none: the kernel drops a signal that such a process does not handle (pid_namespaces(7)).
    raise SystemExit(128 + number)


def _tell(failure: Failure) -> int:
    from ..ui.console import message_error  # noqa: PLC0415 - rich takes a while

    if isinstance(failure, ConfigError):
        for problem in failure.problems:
            message_error(failure.party, problem)
    else:
        rules = failure.rules if isinstance(failure, TamperedError) else ()
        message_error(failure.party, failure.cause, failure.hint, rules)
    return exits.error_code(failure)
