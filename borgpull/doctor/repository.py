"""The repository of a target: whether its ledger lets a backup begin."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Failure, plural
from ..ledger import Store
from ..repository.status import status_of
from ..repository.step_events import NO_LINKS, NO_LINKS_HINT
from ..results import State, TargetStatus
from .checks import Checks

ROW = "ledger"


async def check_repository(
    checks: Checks, server: Checks, store: Store, *, now: float, is_ours: Callable[[str], object]
) -> None:
    """Check the ledger in `store`. `checks` are those of the target, `server` those of the backup server.

    `is_ours` says of the name of an archive whether retention may ever remove it.
    """
    with checks.catching(ROW):
        seen = await store.read_status()
        if seen.ledger is not None and not seen.ledger.has_hard_links:
            server.warn("hard links", NO_LINKS, NO_LINKS_HINT)
        # The age of an archive stops no backup.
        _check_ledger(checks, status_of("", seen, now=now, max_age=float("inf")), repository=seen.repository)
        archives = seen.ledger.evidence.archives if seen.ledger else ()
        if foreign := sum(not is_ours(archive.name) for archive in archives):
            hint = "PruneAlso puts archives of other names under your rules; `borgpull list` shows them"
            words = plural(foreign, "archive is not borgpull's and is", "archives are not borgpull's and are")
            checks.note(ROW, f"{words} never pruned", hint)


def _check_ledger(checks: Checks, status: TargetStatus, *, repository: bool) -> None:
    match status.state:
        case State.TAMPERED | State.UNVERIFIABLE:
            raise Failure(checks.party, ": ".join([status.cause, "; ".join(status.findings)]), hint=status.hint)
        case State.CHANGED:
            checks.warn(ROW, status.cause, status.hint)
        case State.INTERRUPTED:
            checks.note(ROW, status.cause, status.hint)
        case State.NEVER if status.ledger == "none":
            action = "takes over the repository that exists" if repository else "makes the repository"
            checks.ok(ROW, f"none yet: the first run {action}")
        case _:
            checks.ok(ROW, status.ledger)
    if status.at_work:
        checks.note(ROW, f"a run of borgpull is at work on it: {status.at_work}")
