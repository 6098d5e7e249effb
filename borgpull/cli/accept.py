"""`borgpull accept NAME`: take the present state of a repository as the truth, after showing what differs."""

from __future__ import annotations

from plumbum import cli

from ..job import Case, Settlement, Subject
from ..ui.console import message_note
from .exits import DONE, TAMPERED
from .targets import DecidingCommand


class Accept(DecidingCommand):
    """It shows the difference, and asks.

    For changes that you made yourself, such as an archive deleted by hand. What an attacker did becomes permanent.
    """

    archives_tam = cli.Flag(
        ["--archives-tam"],
        help="change nothing but this: have borg 1.4 take archives as authentic that borg 1.2.4 renamed or recreated",
    )

    def main(self, name: str) -> int:
        return self.about(name, self._accept)

    async def _accept(self, subject: Subject) -> int:
        settlement = Settlement(subject)
        case = await settlement.case()
        if self.archives_tam:
            return await self._authenticate(subject, settlement, case)
        place = await subject.vault.known_place(case.now.repository_id) if case.known is None and case.now else ""
        if case.known is None and not case.differences and not place:
            message_note(f"{subject.party}: no state was verified yet: the next run takes the repository as it is")
            return DONE
        gone = f"its ledger, in {place}, is gone: nobody can tell what was done to it since its last run"
        for difference in case.differences or (gone if place else "nothing differs from the last verified state",):
            message_note(f"{subject.party}: {difference}")
        readable = case.now is not None or case.gone
        if readable and not await self.agreed("Take the present state as the truth?"):
            message_note("nothing was changed")
            return TAMPERED
        await settlement.accept(case)
        what = f"with {len(case.now.archives)} archives" if case.now else "the next run makes a new repository"
        message_note(f"{subject.party}: accepted, {what}")
        if case.now and case.now.missing:
            repair = f"`borgpull borg --full-access {subject.target.name} -- check --repair`"
            message_note(f"{repair} has borg give up what the lost segments held")
        return DONE

    async def _authenticate(self, subject: Subject, settlement: Settlement, case: Case) -> int:
        message_note(f"{subject.party}: borg will take each of its archives as authentic, whoever wrote it")
        if not await self.agreed("Are they all yours?"):
            message_note("nothing was changed")
            return DONE
        await settlement.authenticate(case)
        message_note(f"{subject.party}: its archives are those that were verified last, and authentic for borg now")
        return DONE
