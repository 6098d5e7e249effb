"""`borgpull accept NAME`: accept the present state of a repository as verified, after showing what differs."""

from __future__ import annotations

from collections.abc import Sequence

from plumbum import cli

from ..config import Config, Target
from ..errors import UsageError, command_line, plural
from ..repository import Case, Recovery, TargetContext, follow_moved
from ..ui.console import message_note
from .base import DecidingCommand, SelectingCommand
from .exit_codes import DONE, TAMPERED


class Accept(DecidingCommand, SelectingCommand):
    """It shows the difference, and asks.

    Use it for changes that you made yourself, such as an archive deleted by hand. An attacker's become permanent too.
    """

    moved = cli.Flag(
        ["--moved"],
        help="after you changed RootDir or SubDir and moved the repositories on the backup server: let the targets "
        "NAME... (or all) go on there, each if it is proven that this is the repository of its ledger",
    )

    archives_tam = cli.Flag(
        ["--archives-tam"],
        excludes=["--moved"],
        help="change only this: let borg 1.4 trust archives that borg 1.2.4 renamed or recreated",
    )

    def main(self, *names: str) -> int:
        if not self.moved and (len(names) != 1 or self.only or self.skip or self.shard):
            raise UsageError("`borgpull accept` takes one NAME, and with --moved any number of them", hint=self.see)
        return self.about_each(names, self._follow if self.moved else self._accept)

    def targets(self, config: Config, names: tuple[str, ...]) -> Sequence[Target]:
        return self.selected(config, names) if self.moved else super().targets(config, names)

    async def _follow(self, context: TargetContext) -> int:
        async def confirm(found: str) -> bool:
            message_note(f"{context.party}: {found}")
            return await self.confirm("Let it go on there?")

        if not (done := await follow_moved(context, confirm)):
            return TAMPERED
        message_note(f"{context.party}: {done}")
        return DONE

    async def _accept(self, context: TargetContext) -> int:
        recovery = Recovery(context)
        case = await recovery.case()
        if self.archives_tam:
            return await self._authenticate(context, recovery, case)
        place = await context.store.known_place(case.now.repository_id) if case.known is None and case.now else ""
        if case.known is None and not case.differences and not place:
            message_note(f"{context.party}: no state was verified yet: the next run takes the repository as it is")
            return DONE
        gone = f"its ledger, in {place}, is gone: what was done to the repository since its last run is unknown"
        for difference in case.differences or (gone if place else "nothing differs from the last verified state",):
            message_note(f"{context.party}: {difference}")
        readable = case.now is not None or case.gone
        if readable and not await self.confirm("Accept the present state?"):
            return TAMPERED
        await recovery.accept(case)
        archives = case.now.archives if case.now else ()
        what = f"with {plural(len(archives), 'archive')}" if case.now else "the next run makes a new repository"
        message_note(f"{context.party}: accepted, {what}")
        if case.now and case.now.missing:
            repair = command_line("borg", "--full-access", context.target.name, "--", "check", "--repair")
            message_note(f"{repair} makes borg give up what the lost segments held")
        return DONE

    async def _authenticate(self, context: TargetContext, recovery: Recovery, case: Case) -> int:
        message_note(f"{context.party}: borg will trust each of its archives, whoever wrote it")
        if not await self.confirm("Are they all yours?"):
            return DONE
        await recovery.authenticate(case)
        message_note(f"{context.party}: its archives are those that were verified last, and borg trusts them now")
        return DONE
