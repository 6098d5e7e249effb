"""`borgpull release NAME...`: let held targets go on, and say what becomes of their odd archives."""

from __future__ import annotations

from plumbum import cli

from .. import repository
from ..repository import TargetContext
from ..ui.console import message_note
from . import prompts
from .exit_codes import DONE
from .targets import OneTargetCommand

_OTHERWISE = "add --good if the archives hold what they should, --set-aside if they do not"


class Release(OneTargetCommand):
    """Their odd archives become good, and may push out older ones, or are set aside. A repository that is closed is not
    released: see `borgpull accept` and `borgpull rollback`.
    """

    good = cli.Flag(["--good"], excludes=["--set-aside"], help="the odd archives count as good, without asking")
    aside = cli.Flag(["--set-aside"], help="the odd archives are set aside, without asking")

    def main(self, name: str, *names: str) -> int:
        return self.about_each((name, *names), self._release)

    async def _release(self, context: TargetContext) -> int:
        known = await repository.open_ledger(context)
        for line in repository.held_lines(known):
            message_note(f"{context.party}: {line}")
        if known.holds:
            good = await self._are_good(len(repository.odd_archives(known)))
            message_note(f"{context.party}: {await repository.release(context, known, good=good)}")
        return DONE

    async def _are_good(self, odd: int) -> bool:
        if self.good or self.aside or not odd:
            return bool(self.good)
        whole = "Does the odd archive hold what it" if odd == 1 else f"Do the {odd} odd archives hold what they"
        question = f"{whole} should? yes: good, no: set aside"
        return await prompts.answer(question, rule=_yes_or_no, hint=_OTHERWISE) == "yes"


def _yes_or_no(text: str) -> str | None:
    return None if text in ("yes", "no") else "is neither `yes` nor `no`"
