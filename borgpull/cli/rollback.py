"""`borgpull rollback NAME`: put the last verified state back, or an older one that is still kept, and prove it."""

from __future__ import annotations

from plumbum import cli

from .. import repository
from ..errors import UsageError
from ..repository import Case, Recovery, TargetContext
from ..ui import console
from ..ui.console import message_note
from ..ui.format import plural
from ..untrusted import clean
from .exit_codes import DONE, TAMPERED
from .targets import DecidingCommand, point_in_time

_MOST_NAMED = 5


class Rollback(DecidingCommand):
    """Evidence and borg check prove that.

    The state found is kept beside the ledger on B, in `.borgpull/SUBDIR/tampered`, until the next rollback. With --to
    it is an older state that becomes the present one: what each prune and compaction removed is kept for a while
    (Grace). The state that it replaces is kept so too.
    """

    list = cli.Flag(["--list"], help="list the older states that are kept, and change nothing")
    to = cli.SwitchAttr(["--to"], str, argname="TIME", help="put the state back that --list shows with this time")
    drop = cli.Flag(["--drop-grace"], help="drop all older states that are kept, for data that must be gone")

    def main(self, name: str) -> int:
        chosen = [
            word for word, given in (("--list", self.list), ("--to", self.to), ("--drop-grace", self.drop)) if given
        ]
        if len(chosen) > 1:
            raise UsageError(f"{chosen[0]} and {chosen[1]} do not go together", hint=self.see)
        if self.list:
            return self.about(name, self._list, alone=False)
        return self.about(name, self._drop if self.drop else self._to if self.to else self._rollback)

    async def _list(self, context: TargetContext) -> int:
        known = (await context.vault.read_evidence()).ledger
        states = await repository.kept_states(context)
        for state in states:
            gone = [clean(name) for name in state.gone_since(known)] if known else []
            named = f": {', '.join(gone[:_MOST_NAMED])}{', …' if len(gone) > _MOST_NAMED else ''}" if gone else ""
            count = plural(len(state.ledger.evidence.archives), "archive")
            console.answer([f"{state.name}  {count}, {len(gone)} of them gone since{named}"])
        if not states:
            message_note(f"{context.party}: no older state of its repository is kept")
        return DONE

    async def _to(self, context: TargetContext) -> int:
        kept = await repository.kept_at(context, point_in_time("--to", str(self.to)))
        known = (await context.vault.read_evidence()).ledger
        new = {archive.id for archive in known.evidence.archives} if known else set()
        lost = len(new - {archive.id for archive in kept.ledger.evidence.archives})
        back = len(kept.gone_since(known)) if known else 0
        what = f"with {plural(back, 'archive')} that it had more, without {plural(lost, 'newer one')}"
        message_note(f"this will put the state of {kept.name} back, {what}")
        message_note(
            "the state that it replaces is kept as long, and `borgpull rollback --list` shows it; that of a closed "
            f"repository is in {context.place.ledger}/tampered until the next rollback"
        )
        if not await self.confirm("Put it back?"):
            message_note("nothing was changed")
            return DONE
        is_kept = await repository.begin_rollback(context, kept)
        recovery = Recovery(context)
        await recovery.rollback(await recovery.case(), kept=is_kept)
        message_note(f"{context.party}: its repository is in that state again; borg check agrees")
        return DONE

    async def _drop(self, context: TargetContext) -> int:
        if not await self.confirm("Drop all older states that are kept?"):
            message_note("nothing was changed")
            return DONE
        message_note(f"{context.party}: {await repository.drop_grace(context)} older states were dropped")
        message_note(
            "what still holds data: the archives in the repository, and what was deleted there until a compaction; "
            f"{context.place.ledger}/tampered after a rollback; borg's caches on the target, without contents"
        )
        return DONE

    async def _rollback(self, context: TargetContext) -> int:
        recovery = Recovery(context)
        case = await recovery.case()
        if case.known is not None and not self._worth_it(context, case):
            return DONE
        if case.known is not None and not await self.confirm(f"Put {len(case.known.evidence.archives)} archives back?"):
            message_note("nothing was changed")
            return TAMPERED
        await recovery.rollback(case)
        message_note(f"{context.party}: its repository is in the last verified state again; borg check agrees")
        return DONE

    def _worth_it(self, context: TargetContext, case: Case) -> bool:
        if not case.differences and case.now is not None:
            message_note(f"{context.party}: its repository is in the last verified state: nothing to put back")
            return False
        for difference in case.differences:
            message_note(f"{context.party}: {difference}")
        kept = f"{context.place.ledger}/tampered"
        message_note(f"this will put {context.place.repository} back, and keep what is there now in {kept}")
        return True
