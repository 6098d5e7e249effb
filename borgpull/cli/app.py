"""The borgpull application: its subcommands, and the end of every error.

An error ends here as `error:` and `hint:` lines, never as a traceback.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import ClassVar

from plumbum import cli

from .. import __version__
from ..errors import failure_of
from . import exit_codes
from .help import META, Group


class BorgPull(Group):
    """Back up many servers with BorgBackup in pull mode, close to zero trust.

    Without a COMMAND it is `borgpull run`: `borgpull < config.toml` backs up every target of the config.
    """

    PROGNAME = "borgpull"
    VERSION = __version__
    UNWANTED = ("completions", "help-all", "v")
    EXIT_CODES = exit_codes.OF_RUN
    COMMANDS: ClassVar = {
        "run": "Back up the targets of the config, or those that you choose.",
        "doctor": "Check this machine, the backup server and the targets NAME... (or all) before a backup.",
        "status": "Show the state of the backups of the targets NAME... (or all).",
        "list": "List the archives of the target NAME, or the files of its ARCHIVE that match the PATTERNs.",
        "find": "Find the archives of the targets NAME... (or all) that hold a path.",
        "restore": "Restore ARCHIVE of the target NAME, or the PATHs in it, to a folder here or onto the target.",
        "borg": "Run a borg COMMAND here against the repository of the target NAME.",
        "drill": "Read back some files of the latest archive of the targets NAME... (or all).",
        "rollback": "Put the repository of the target NAME back to the last verified state, or to an older one.",
        "accept": "Accept the present state of the repository of the target NAME as verified.",
        "release": "Release the held targets NAME..., after showing why they are held.",
        "expect": "Announce a planned change of the targets NAME...",
        "keep": "Count an ARCHIVE of the target NAME as good again.",
        "key": "Export the repository key of the target NAME, as it was last verified.",
        "config": "Write a config, add to it, and check it.",
        "completion": "Print the script that completes command lines in SHELL (bash, zsh or fish).",
    }

    @cli.switch(["--version"], overridable=True, group=META, help="print the version")
    def version(self) -> None:
        super().version()


for command in BorgPull.COMMANDS:
    BorgPull.subcommand(command, f"borgpull.cli.{command}.{command.title()}")

_OF_THE_WHOLE = {"-h", "--help", "--version"}


def main(argv: list[str]) -> int:
    signal.signal(signal.SIGTERM, _unwind)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _unwind)
    program, *words = argv
    if not words or (words[0].startswith("-") and words[0] not in _OF_THE_WHOLE):
        words = ["run", *words]
    try:
        _, code = BorgPull.run([program, *words], exit=False)
        return int(code)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # whatever it was
        return exit_codes.print_failure(failure_of(error))


def _unwind(number: int, _: FrameType | None) -> None:
    # Until a run has its own handlers. The default action would leave the private directory behind, and as process 1
    # of a container there is none: the kernel drops a signal that such a process does not handle (pid_namespaces(7)).
    if number == signal.SIGHUP:
        # When a terminal is closed it comes twice; the second one must not end what the first one began.
        signal.signal(number, lambda *_: None)
    raise SystemExit(128 + number)
