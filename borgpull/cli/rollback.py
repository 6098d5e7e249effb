"""`borgpull rollback NAME`: put a tampered repository back to the last verified state, and prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbum import cli

from ..errors import UsageError
from .command import note
from .exits import DONE, TAMPERED
from .targets import DecidingCommand

if TYPE_CHECKING:
    from ..job import Case, Settlement, Subject


class Rollback(DecidingCommand):
    """Put the repository of the target NAME back to the last verified state, and prove it with evidence and borg check.

    The state found is kept beside the ledger on B, in `.borgpull/SUBDIR/tampered`, until the next rollback.
    """

    PROGNAME = "borgpull rollback"
    forget = cli.Flag(
        ["--forget-on-target"],
        help="connect to the target too, and remove its borg's cache and memory of this repository; "
        "its borg refuses the older state otherwise",
    )

    def main(self, name: str) -> int:
        return self.about(name, self._rollback)

    async def _rollback(self, subject: Subject) -> int:
        from ..job import Settlement  # noqa: PLC0415

        if self.forget and subject.target.sudoer:
            raise UsageError(
                "--forget-on-target cannot remove the cache of a borg that runs as root (Sudo)",
                hint="leave it out: what to type there is told after the rollback",
            )
        settlement = Settlement(subject)
        case = await settlement.case()
        if case.known is not None and not self._worth_it(subject, case):
            if self.forget:
                await self._forget(subject, settlement, case)
            return DONE
        if case.known is not None and not await self.agreed(f"Put {len(case.known.evidence.archives)} archives back?"):
            note("nothing was changed")
            return TAMPERED
        await settlement.rollback(case)
        note(f"{subject.party}: its repository is in the last verified state again; borg check agrees")
        await self._forget(subject, settlement, case)
        return DONE

    def _worth_it(self, subject: Subject, case: Case) -> bool:
        if not case.differences and case.now is not None:
            note(f"{subject.party}: its repository is in the last verified state: nothing to put back")
            return False
        for difference in case.differences:
            note(f"{subject.party}: {difference}")
        kept = f"{subject.place.ledger}/tampered"
        note(f"this will put {subject.place.repository} back, and keep what is there now in {kept}")
        return True

    async def _forget(self, subject: Subject, settlement: Settlement, case: Case) -> None:
        from .. import job  # noqa: PLC0415

        repository_id = case.known.evidence.repository_id if case.known else ""
        if self.forget:
            async with job.connected_target(subject) as master:
                await settlement.forget_on_target(master, repository_id)
            note(f"{subject.party}: its borg has forgotten the newer state")
            return
        if subject.target.sudoer:
            way, home = "there, as root: ", "~root"
        else:
            way, home = f"`borgpull rollback --forget-on-target {subject.target.name}`, or there by hand: ", "~"
        note(
            f"{subject.party}: its borg will refuse this older state until its cache and memory of it are removed: "
            f"{way}`rm -rf {home}/.cache/borg/{repository_id} "
            f"{home}/.config/borg/security/{repository_id}/manifest-timestamp`"
        )
