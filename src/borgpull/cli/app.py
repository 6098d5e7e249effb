"""The borgpull application: its subcommands, and the one table of exit codes.

The worst outcome wins: 3 over 2 over 1. Every error ends here as `error:` and `hint:` lines, never as a traceback.
"""

from __future__ import annotations

import signal

from .. import __version__
from ..errors import ConfigError, Failure, TamperedError, UsageError
from ..events import Outcome
from .command import Command

DONE, WARNINGS, FAILED, TAMPERED, WRONG = 0, 1, 2, 3, 4

_OUTCOMES = {
    Outcome.DONE: DONE,
    Outcome.WARNING: WARNINGS,
    Outcome.FAILED: FAILED,
    Outcome.TAMPERED: TAMPERED,
    Outcome.UNVERIFIABLE: TAMPERED,
    Outcome.INTERRUPTED: 128 + signal.SIGINT,
}

EXIT_TEXT = (
    "Exit codes: 0 all done; 1 done, with warnings; 2 a target failed; 3 a repository was tampered with or could "
    "not be verified; 4 the config or the command line is wrong; 130 or 143 interrupted."
)


def exit_code(outcome: Outcome, interrupted_by: int | None = None) -> int:
    """Return the exit code of a run that ended with `outcome`; `interrupted_by` is the signal that stopped it."""
    return 128 + interrupted_by if interrupted_by else _OUTCOMES[outcome]


class BorgPull(Command):
    """The command `borgpull`."""

    PROGNAME = "borgpull"
    VERSION = __version__
    DESCRIPTION = (
        "Back up many servers with BorgBackup in pull mode, close to zero trust. Without a subcommand it is "
        "`borgpull run`: `borgpull < config.toml` backs up every target of the config."
    )
    DESCRIPTION_MORE = EXIT_TEXT

    def main(self, *words: str) -> int:
        """Refuse what is no subcommand: those were dispatched before."""
        if self.nested_command:
            return DONE
        raise UsageError(f"there is no command `{words[0] if words else ''}`")


BorgPull.subcommand("run", "borgpull.cli.run.Run")
BorgPull.subcommand("demo", "borgpull.cli.demo.Demo")

_OF_THE_WHOLE = {"-h", "--help", "--help-all", "--version"}


def main(argv: list[str]) -> int:
    """Run the command line `argv` and return the exit code."""
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


def _tell(failure: Failure) -> int:
    from ..ui.console import message_error  # noqa: PLC0415 - rich takes a while

    if isinstance(failure, ConfigError):
        for problem in failure.problems:
            message_error(failure.party, problem)
        return WRONG
    message_error(failure.party, failure.cause, failure.hint)
    if isinstance(failure, UsageError):
        return WRONG
    return TAMPERED if isinstance(failure, TamperedError) else FAILED
