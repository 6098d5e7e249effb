"""Grace: the state before each prune and each compaction is kept for a while, to be read where it lies, or put back.

It is kept on the backup server, beside the ledger, as hard links: only what was compacted since takes space.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from ..errors import UsageError, command_line, plural
from ..ledger import Entry, Ledger, Phase, ServerStore
from .context import TargetContext

_NAME = "%Y-%m-%dT%H:%M:%SZ"


def name_of(moment: float) -> str:
    """Return the name under which a state of this time, in unix seconds, is kept: such names sort by time."""
    return time.strftime(_NAME, time.gmtime(moment))


def oldest_kept(context: TargetContext, known: Ledger) -> str:
    """Return the name of the oldest state that stays; "" while a target is held, or was released not long ago."""
    edge = time.time() - context.target.grace
    return "" if known.holds or known.released > edge else name_of(edge)


def server_of(context: TargetContext) -> ServerStore:
    """Return the ledger on the backup server. Raises Failure where that gives no shell."""
    if isinstance(context.store, ServerStore):
        return context.store
    raise context.failure(
        "the backup server gives no shell: no snapshot and no older state of its repository is kept there",
        hint="the gate let nobody delete or overwrite an older object: what archives held is still there. Repair the "
        f"repository on the backup server itself, then {command_line('accept', context.target.name)}",
    )


async def state_at(context: TargetContext, moment: float) -> TargetContext:
    """Return the target with the state from before the first prune or compaction at `moment` or later.

    Raises UsageError when none is kept.
    """
    kept = await server_of(context).grace()
    name = next((each for each in kept if each >= name_of(moment)), None)
    if name is None:
        there = f"the newest is of {kept[-1]}" if kept else "there is none"
        raise UsageError(
            f"{context.party}: no state of {name_of(moment)} or later is kept: {there}",
            hint=f"without --at it is the present one; {_list_states(context)} shows all",
        )
    return TargetContext(context.run, context.target, kept=name)


def _list_states(context: TargetContext) -> str:
    return command_line("rollback", context.target.name, "--list")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A state in Grace with its ledger; its name is the time at which it was kept."""

    context: TargetContext
    ledger: Ledger

    @property
    def name(self) -> str:
        return self.context.kept

    def gone_since(self, known: Ledger) -> list[str]:
        """Return the names of the archives that it holds and the present state does not, the oldest first."""
        there = {archive.id for archive in known.evidence.archives}
        gone = [archive for archive in self.ledger.evidence.archives if archive.id not in there]
        return [archive.name for archive in sorted(gone, key=lambda archive: archive.seconds)]


async def kept_states(context: TargetContext) -> list[Kept]:
    """Return the states that are kept, the oldest first, without those whose ledger cannot be read."""
    states = [TargetContext(context.run, context.target, kept=name) for name in await server_of(context).grace()]
    return [Kept(context=each, ledger=known) for each in states if (known := (await each.store.read_evidence()).ledger)]


async def kept_at(context: TargetContext, moment: float) -> Kept:
    """Return the state of `state_at` with its ledger. Raises Failure when that cannot be read."""
    state = await state_at(context, moment)
    found = await state.store.read_evidence()
    if found.ledger is None:
        why = found.unreadable or "it is not there"
        hint = f"{_list_states(context)} shows those that can be put back"
        raise context.failure(f"the ledger of its state of {state.kept} cannot be read: {why}", hint=hint)
    return Kept(context=state, ledger=found.ledger)


async def begin_rollback(context: TargetContext, kept: Kept) -> bool:
    """Close the repository as after a verdict, until a rollback has put the state back that is `kept`.

    The present state goes into Grace, for it holds the archives made since; return whether it did: what was tampered
    with does not. Raises Failure where a run was interrupted, or nothing was ever verified.
    """
    known = (await context.store.read_evidence()).ledger
    if known is None or known.phase not in (Phase.CLEAN, Phase.CLOSED):
        raise context.failure(
            "a run of it ended in the middle" if known else "no state of its repository was ever verified",
            hint="`borgpull run` verifies first what it left; then put the older state back",
        )
    closed = replace(
        known,
        phase=Phase.CLOSED,
        evidence=kept.ledger.evidence,
        cause=f"the state of {kept.name} is being put back",
        rules=(),
        notes={**kept.ledger.notes, **known.notes},
        facts={**kept.ledger.facts, **known.facts},
        intent=None,
    )
    grace = name_of(time.time()) if known.phase is Phase.CLEAN else ""
    await context.store.write(closed, snapshot=kept.name, grace=grace)
    await context.remember(Entry(what="rollback", cause=f"to the state of {kept.name}"))
    return bool(grace)


async def drop_for_room(context: TargetContext, known: Ledger) -> int:
    """Drop all that is kept because its room is needed, but never while the target is held; return how many states."""
    if known.holds or not isinstance(context.store, ServerStore):
        return 0
    return len(await context.store.grace(drop=True))


async def drop_grace(context: TargetContext) -> int:
    """Drop all that is kept because the operator says so; return how many states."""
    dropped = await server_of(context).grace(drop=True)
    await context.remember(Entry(what="rollback", cause=f"--drop-grace: dropped {plural(len(dropped), 'state')}"))
    return len(dropped)
