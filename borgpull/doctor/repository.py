"""The repository of a target as a backup would find it: whether its ledger lets one begin."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Failure
from ..ledger import Vault
from ..repository.status import status_of
from ..repository.step_events import NO_LINKS, NO_LINKS_HINT
from ..results import State, TargetStatus
from .checks import Checks

ROW = "ledger"


async def check_repository(
    checks: Checks, server: Checks, vault: Vault, *, now: float, is_ours: Callable[[str], object]
) -> None:
    """Look at the ledger in `vault`; what it tells of B goes to `server`. `sheet` is that of the target.

    `is_ours` tells of the name of an archive whether retention may ever remove it.
    """
    with checks.attempt(ROW):
        seen = await vault.survey()
        if seen.ledger is not None and not seen.ledger.linked:
            server.warn("hard links", NO_LINKS, NO_LINKS_HINT)
        # How old an archive is stops no backup.
        _judge(checks, status_of("", seen, now=now, max_age=float("inf")), repository=seen.repository)
        archives = seen.ledger.evidence.archives if seen.ledger else ()
        if foreign := sum(not is_ours(archive.name) for archive in archives):
            hint = "PruneAlso puts archives of other names under your rules; `borgpull list` shows them"
            checks.note(ROW, f"{foreign} archives are not borgpull's and are never pruned", hint)


def _judge(checks: Checks, standing: TargetStatus, *, repository: bool) -> None:
    match standing.state:
        case State.TAMPERED | State.UNVERIFIABLE:
            raise Failure(checks.party, ": ".join([standing.cause, "; ".join(standing.findings)]), hint=standing.hint)
        case State.CHANGED:
            checks.warn(ROW, standing.cause, standing.hint)
        case State.INTERRUPTED:
            checks.note(ROW, standing.cause, standing.hint)
        case State.NEVER if standing.ledger == "none":
            then = "takes the repository over that is there" if repository else "makes the repository"
            checks.ok(ROW, f"none yet: the first run {then}")
        case _:
            checks.ok(ROW, standing.ledger)
    if standing.at_work:
        checks.note(ROW, f"a run of borgpull is at work on it: {standing.at_work}")
