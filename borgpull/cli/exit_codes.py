"""The one table of exit codes.

The worst outcome wins: 3 over 129, 130 and 143, those over 2, that over 1. In `status`, for monitors: 2 over 3 over 1.
"""

from __future__ import annotations

import signal

from ..errors import ConfigError, Failure, TamperedError, UsageError
from ..events import Outcome

DONE, WARNINGS, FAILED, TAMPERED, WRONG = 0, 1, 2, 3, 4


_OF_ALL = {
    "4": "the config or the command line is wrong",
    "129, 130 or 143": "interrupted",
}

OF_RUN = {
    "0": "all done, or not due, or absent and allowed to be",
    "1": "done, with warnings, or a target is held, or busy with another run",
    "2": "a target failed",
    "3": "a repository was tampered with or could not be verified, also if the run was interrupted",
    **_OF_ALL,
}

OF_DOCTOR = {
    "0": "a backup would succeed",
    "1": "it would, with warnings",
    "2": "something would stop it",
    **_OF_ALL,
}

# As Nagios and its like read them. 3 is UNKNOWN to them, and tampering has to wake an operator: there it is 2.
OF_STATUS = {
    "0": "OK",
    "1": "WARNING: the last good archive is older than --max-age, the last run failed or was interrupted, the "
    "target is held, or the repository is not as it was verified",
    "2": "CRITICAL: a repository was tampered with, is gone, or could not be verified",
    "3": "UNKNOWN: a target was never backed up, or the backup server could not be reached",
    **_OF_ALL,
}

OF_DRILL = {
    "0": "every sampled file was read back",
    "2": "a backup could not be read back",
    "3": "a repository is closed, because it was tampered with or could not be verified",
    **_OF_ALL,
}

OF_FIND = {
    "0": "found",
    "1": "not found in what was read",
    "2": "a target could not be read",
    "3": "a repository is closed, because it was tampered with or could not be verified",
    **_OF_ALL,
}

OF_BORG = {
    "0": "borg ended with 0",
    "1": "borg warned, or changed the repository without --full-access",
    "2": "borg failed, or could not be run",
    "3": "with --full-access: the repository was tampered with or could not be verified",
    **_OF_ALL,
}

OF_CHECK = {
    "0": "the config is right",
    "2": "this machine cannot check it",
    "4": "the config or the command line is wrong",
}

OF_ADD = {
    "0": "the new config was written",
    "2": "the host could not be reached, or its key was not confirmed",
    "4": "the config or the command line is wrong",
}

_OUTCOMES = {
    **dict.fromkeys((Outcome.DONE, Outcome.ABSENT, Outcome.NOT_DUE), DONE),
    **dict.fromkeys((Outcome.WARNING, Outcome.BUSY, Outcome.HELD), WARNINGS),
    Outcome.FAILED: FAILED,
    **dict.fromkeys((Outcome.TAMPERED, Outcome.UNVERIFIABLE), TAMPERED),
    Outcome.INTERRUPTED: 128 + signal.SIGINT,
}

MARKS = {"ok": DONE, "warning": WARNINGS, "failed": FAILED}
LEVELS = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


# The first that fits.
_ERRORS = {
    KeyboardInterrupt: 128 + signal.SIGINT,
    ConfigError: WRONG,
    UsageError: WRONG,
    TamperedError: TAMPERED,
    BaseException: FAILED,
}


def error_code(error: BaseException) -> int:
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return next(code for kind, code in _ERRORS.items() if isinstance(error, kind))


def print_failure(failure: Failure) -> int:
    """Print a failure; return its exit code."""
    from ..ui.console import message_lines, problem_lines  # noqa: PLC0415 - rich takes a while

    for problem in failure.problems if isinstance(failure, ConfigError) else [failure.problem]:
        message_lines(problem_lines(problem))
    return error_code(failure)


def borg_code(status: int, *, settled: bool) -> int:
    """Return the exit code for a borg that ended with `status`, and left a state that is `settled` or not."""
    number = -status if status < 0 else status - 128
    if number in {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}:
        return 128 + number
    return max({0: DONE, 1: WARNINGS}.get(status, FAILED), DONE if settled else WARNINGS)


def exit_code(outcome: Outcome, interrupted_by: int | None = None) -> int:
    """Return the exit code of a run that ended with `outcome`; `interrupted_by` is the signal that stopped it."""
    code = _OUTCOMES[outcome]
    return 128 + interrupted_by if interrupted_by and code != TAMPERED else code
