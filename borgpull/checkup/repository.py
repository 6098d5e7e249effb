"""The repository of a target as a backup would find it: whether its ledger lets one begin."""

from __future__ import annotations

from collections.abc import Callable

from ..answers import Standing, State
from ..errors import Failure
from ..job.standing import standing_of
from ..job.watch import NO_LINKS, NO_LINKS_HINT
from ..ledger import Vault
from .sheet import Sheet

ROW = "ledger"


async def look_at_repository(
    sheet: Sheet, server: Sheet, vault: Vault, *, now: float, is_ours: Callable[[str], object]
) -> None:
    """Look at the ledger in `vault`; what it tells of B goes to `server`. `sheet` is that of the target.

    `is_ours` tells of the name of an archive whether retention may ever remove it.
    """
    with sheet.attempt(ROW):
        seen = await vault.survey()
        if seen.ledger is not None and not seen.ledger.linked:
            server.warn("hard links", NO_LINKS, NO_LINKS_HINT)
        # How old an archive is stops no backup.
        _judge(sheet, standing_of("", seen, now=now, max_age=float("inf")), repository=seen.repository)
        archives = seen.ledger.evidence.archives if seen.ledger else ()
        if foreign := sum(not is_ours(archive.name) for archive in archives):
            hint = "PruneAlso puts archives of other names under your rules; `borgpull list` shows them"
            sheet.note(ROW, f"{foreign} archives are not borgpull's and are never pruned", hint)


def _judge(sheet: Sheet, standing: Standing, *, repository: bool) -> None:
    match standing.state:
        case State.TAMPERED | State.UNVERIFIABLE:
            raise Failure(sheet.party, ": ".join([standing.cause, "; ".join(standing.rules)]), hint=standing.hint)
        case State.CHANGED:
            sheet.warn(ROW, standing.cause, standing.hint)
        case State.INTERRUPTED:
            sheet.note(ROW, standing.cause, standing.hint)
        case State.NEVER if standing.ledger == "none":
            then = "takes the repository over that is there" if repository else "makes the repository"
            sheet.ok(ROW, f"none yet: the first run {then}")
        case _:
            sheet.ok(ROW, standing.ledger)
    if standing.at_work:
        sheet.note(ROW, f"a run of borgpull is at work on it: {standing.at_work}")
