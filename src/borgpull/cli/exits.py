"""The one table of exit codes. The worst outcome wins: 3 over 2 over 1."""

from __future__ import annotations

import signal

from ..events import Outcome

DONE, WARNINGS, FAILED, TAMPERED, WRONG = 0, 1, 2, 3, 4

TEXT = (
    "Exit codes: 0 all done; 1 done, with warnings; 2 a target failed; 3 a repository was tampered with or could "
    "not be verified; 4 the config or the command line is wrong; 130 or 143 interrupted."
)

_OUTCOMES = {
    Outcome.DONE: DONE,
    Outcome.WARNING: WARNINGS,
    Outcome.FAILED: FAILED,
    Outcome.TAMPERED: TAMPERED,
    Outcome.UNVERIFIABLE: TAMPERED,
    Outcome.INTERRUPTED: 128 + signal.SIGINT,
}


def exit_code(outcome: Outcome, interrupted_by: int | None = None) -> int:
    """Return the exit code of a run that ended with `outcome`; `interrupted_by` is the signal that stopped it."""
    return 128 + interrupted_by if interrupted_by else _OUTCOMES[outcome]
