"""`borgpull accept NAME`: take the present state of a repository as the truth, after showing what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import note
from .exits import DONE, TAMPERED
from .targets import DecidingCommand

if TYPE_CHECKING:
    from ..job import Subject


class Accept(DecidingCommand):
    """Take the present state of the repository of the target NAME as the truth, after showing the difference.

    For changes that you made yourself, such as an archive deleted by hand. What an attacker did becomes permanent.
    """

    PROGNAME = "borgpull accept"

    def main(self, name: str) -> int:
        return self.about(name, self._accept)

    async def _accept(self, subject: Subject) -> int:
        from ..job import Settlement  # noqa: PLC0415

        settlement = Settlement(subject)
        case = await settlement.case()
        place = await subject.vault.known_place(case.now.repository_id) if case.known is None and case.now else ""
        if case.known is None and not case.differences and not place:
            note(f"{subject.party}: no state was verified yet: the next run takes the repository as it is")
            return DONE
        gone = f"its ledger, in {place}, is gone: nobody can tell what was done to it since its last run"
        for difference in case.differences or (gone if place else "nothing differs from the last verified state",):
            note(f"{subject.party}: {difference}")
        readable = case.now is not None or case.gone
        if readable and not await self.agreed("Take the present state as the truth?"):
            note("nothing was changed")
            return TAMPERED
        await settlement.accept(case)
        what = f"with {len(case.now.archives)} archives" if case.now else "the next run makes a new repository"
        note(f"{subject.party}: accepted, {what}")
        return DONE
