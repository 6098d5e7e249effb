"""`borgpull rollback NAME`: put the last verified state back, or an older one that is still kept, and prove it."""

from __future__ import annotations

from plumbum import cli

from .. import repository
from ..errors import command_line, plural
from ..repository import Recovery, TargetContext
from ..ui import console
from ..ui.console import message_note
from ..untrusted import clean
from .base import DecidingCommand, point_in_time
from .exit_codes import DONE, TAMPERED

_MOST_NAMED = 5


class Rollback(DecidingCommand):
    """Evidence and borg check prove the result.

    The state that it replaces is kept beside the ledger on the backup server, in `.borgpull/SUBDIR/tampered`, until the
    next rollback. --to brings back an older state: what each prune and compaction removed is kept for a while (Grace),
    and so is the state that --to replaces.
    """

    list = cli.Flag(["--list"], excludes=["--to"], help="list the older states that are kept, and change nothing")
    to = cli.SwitchAttr(["--to"], str, argname="TIME", help="put the state back that --list shows with this time")
    drop = cli.Flag(
        ["--drop-grace"],
        excludes=["--list", "--to"],
        help="drop all older states that are kept, for data that must be gone",
    )

    def main(self, name: str) -> int:
        if self.list:
            return self.about(name, self._list, alone=False)
        return self.about(name, self._drop if self.drop else self._to if self.to else self._rollback)

    async def _list(self, context: TargetContext) -> int:
        known = (await context.store.read_evidence()).ledger
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
        known = (await context.store.read_evidence()).ledger
        new = {archive.id for archive in known.evidence.archives} if known else set()
        lost = len(new - {archive.id for archive in kept.ledger.evidence.archives})
        back = len(kept.gone_since(known)) if known else 0
        what = f"with {plural(back, 'archive')} that it had then, without {plural(lost, 'newer one')}"
        message_note(f"this puts the state of {kept.name} back, {what}")
        listed = command_line("rollback", "--list", context.target.name)
        message_note(
            f"the state that it replaces is kept as long, see {listed}; that of a closed repository is in "
            f"{context.place.ledger}/tampered until the next rollback"
        )
        if not await self.confirm("Put it back?"):
            return DONE
        is_kept = await repository.begin_rollback(context, kept)
        recovery = Recovery(context)
        await recovery.rollback(await recovery.case(), kept=is_kept)
        message_note(f"{context.party}: its repository is in that state again; borg check agrees")
        return DONE

    async def _drop(self, context: TargetContext) -> int:
        if not await self.confirm("Drop all older states that are kept?"):
            return DONE
        dropped = await repository.drop_grace(context)
        message_note(f"{context.party}: dropped {plural(dropped, 'older state')}")
        message_note(
            "these still hold data: the archives in the repository, and what was deleted there until a compaction; "
            f"{context.place.ledger}/tampered after a rollback; borg's caches on the target, without contents"
        )
        return DONE

    async def _rollback(self, context: TargetContext) -> int:
        recovery = Recovery(context)
        case = await recovery.case()
        if case.known is not None:
            if not case.differences and case.now is not None:
                message_note(f"{context.party}: its repository is in the last verified state: nothing to put back")
                return DONE
            for difference in case.differences:
                message_note(f"{context.party}: {difference}")
            kept = f"{context.place.ledger}/tampered"
            message_note(f"this puts {context.place.repository} back, and keeps what is there now in {kept}")
            if not await self.confirm(f"Put {plural(len(case.known.evidence.archives), 'archive')} back?"):
                return TAMPERED
        await recovery.rollback(case)
        message_note(f"{context.party}: its repository is in the last verified state again; borg check agrees")
        return DONE
