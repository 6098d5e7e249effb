"""`borgpull release NAME...`: release held targets, and decide about their odd archives."""

from __future__ import annotations

from plumbum import cli

from .. import repository
from ..repository import TargetContext
from ..ui.console import message_note
from . import prompts
from .base import OneTargetCommand
from .exit_codes import DONE

_HINT = "add --good if the archives hold what they should, --set-aside if they do not"


class Release(OneTargetCommand):
    """Their odd archives become good, and may push out older ones, or are set aside. It does not open a closed
    repository: see `borgpull accept` and `borgpull rollback`.
    """

    good = cli.Flag(["--good"], excludes=["--set-aside"], help="count the odd archives as good, without asking")
    aside = cli.Flag(["--set-aside"], help="set the odd archives aside, without asking")

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
        return await prompts.answer(question, rule=_yes_or_no, hint=_HINT) == "yes"


def _yes_or_no(text: str) -> str | None:
    return None if text in ("yes", "no") else "is neither `yes` nor `no`"
