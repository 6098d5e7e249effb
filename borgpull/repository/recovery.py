"""How the operator closes a case: put the last verified state back, or accept the present one.

Nothing here happens unasked; `Case` says first what will be done.
"""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass, replace

from .. import guard
from ..borg import WARNED
from ..borg import command_lines as borg_command
from ..borg.failure import HALF_MADE
from ..errors import CONTROLLER, Failure, command_line, plural
from ..events import Step
from ..guard import Evidence, State, Unreadable
from ..ledger import Entry, Found, Ledger, Phase, ServerStore
from ..transport import BorgResult
from .context import TargetContext
from .grace import server_of
from .inspection import damage_of, evidence_of, is_there
from .verification import GONE


@dataclass(frozen=True, kw_only=True)
class Case:
    """A repository and its ledger. `differences` are in words; `now` is None where it is unreadable, or gone."""

    known: Ledger | None
    now: Evidence | None
    differences: tuple[str, ...]
    gone: bool = False


class Recovery:
    """The repository of one target, and what the operator decides about it."""

    def __init__(self, context: TargetContext) -> None:
        self._context = context
        self._store = context.store
        self._name = context.target.name

    async def case(self) -> Case:
        """Look at the repository and its ledger; changes nothing. Raises Failure when the backup server fails."""
        before = await self._store.read_evidence()
        if before.ledger and (damage := damage_of(before)):
            return Case(known=before.ledger, now=None, differences=(damage,))
        listed = await self._context.borg(Step.INSPECT, borg_command.list_archives())
        found = await self._store.read_evidence()
        known, there = found.ledger, is_there(self._context, listed, found)
        failure = listed.failure(CONTROLLER, "list") if listed.status != 0 else None
        if failure and failure.transient:
            raise failure
        if failure and there:
            now, why = None, f"its archives cannot be listed: {failure.cause}"
        else:
            now, why = await self._evidence(listed, found)
        if known is None and (not there or not HALF_MADE.isdisjoint(listed.said.kinds())):
            differences = found.unreadable or (why if there else "there is no repository at its place")
            return Case(known=None, now=None, differences=(differences,), gone=True)
        if known is None:
            return Case(known=None, now=now, differences=(found.unreadable,) if found.unreadable else ())
        if now is None:
            differs = tuple(dict.fromkeys((why, *known.rules)))
            return Case(known=known, now=None, differences=differs, gone=not there)
        differs = guard.judge(known.evidence, now, None).rules
        if not differs and known.phase is Phase.CLOSED:
            # Somebody repaired it by hand; to open it again takes the same proof as any rollback.
            differs = (f"nothing differs any more, but the repository is closed: {known.cause}",)
        return Case(known=known, now=now, differences=differs)

    async def _evidence(self, listed: BorgResult, found: Found) -> tuple[Evidence | None, str]:
        """Return the evidence, or why there is none."""
        if not is_there(self._context, listed, found):
            return None, GONE
        try:
            return await evidence_of(self._context, listed, found), ""
        except Unreadable as error:
            return None, str(error)

    async def _present_evidence(self) -> tuple[Evidence | None, str]:
        listed = await self._context.borg(Step.VERIFY, borg_command.list_archives())
        listed.or_raise(CONTROLLER, "list")
        return await self._evidence(listed, await self._store.read_evidence())

    async def accept(self, case: Case) -> None:
        """Accept the present state, and record in the history that the operator decided so."""
        await self.adopt(case)
        await self._context.remember(Entry(what="accept", cause="; ".join(case.differences) or "taken as it is"))

    async def adopt(self, case: Case) -> None:
        """Take the present state as the truth; of a repository that is gone, that the next run makes a new one.

        Raises Failure when the present state cannot be read.
        """
        if case.gone:
            await self._store.give_up()
            return
        if case.now is None:
            raise self._context.failure(
                f"its present state cannot be read, so it cannot be accepted: {'; '.join(case.differences)}",
                hint=f"run {command_line('rollback', self._name)}",
            )
        known = case.known or Ledger(phase=Phase.CLEAN, evidence=case.now)
        # Whatever was checked, it was not this state.
        await self._settle(replace(known, checked=0.0), case.now)

    async def _settle(self, known: Ledger, evidence: Evidence) -> None:
        """Store `evidence` as the verified state of a ledger that is open again, with no check half done."""
        settled = replace(known, phase=Phase.CLEAN, evidence=evidence, cause="", rules=())
        await self._store.write(replace(settled, check_from=0, check_began=0.0), snapshot="drop")

    async def authenticate(self, case: Case) -> None:
        """Have borg take the archives as authentic that have no proof of it; the ledger then has their new ids.

        Raises Failure when they are not those that were verified last: borg takes whatever it finds.
        """
        known = self._known(case)
        hint = "`borgpull run` says what differs, and verifies what it can"
        others = self._context.failure("its archives are not those that were verified last", hint=hint)
        if case.now is None or case.differences or known.phase is not Phase.CLEAN:
            raise others
        ended = await self._context.borg(Step.CHECK, borg_command.authenticate_archives())
        ended.or_raise(CONTROLLER, "upgrade")
        now, _ = await self._present_evidence()
        before = {(archive.name, archive.start): archive.id for archive in known.evidence.archives}
        after = {(archive.name, archive.start): archive.id for archive in now.archives} if now else {}
        if now is None or before.keys() != after.keys():
            raise others
        renewed = {old: after[each] for each, old in before.items()}
        notes = {renewed.get(id_, id_): note for id_, note in known.notes.items()}
        facts = {renewed.get(id_, id_): each for id_, each in known.facts.items()}
        await self._store.write(replace(known, evidence=now, notes=notes, facts=facts, checked=0.0))
        await self._context.remember(Entry(what="accept", cause="--archives-tam: its archives were taken as authentic"))

    async def rollback(self, case: Case, *, kept: bool = False) -> None:
        """Put the last verified state back, and prove that it is there. `kept` says that the state found is in Grace.

        Raises Failure when segments that it needs are gone, or when the proof fails: the ledger then stays as it was.
        """
        server = server_of(self._context)
        known = self._known(case)
        linked = await self._usable(server, known.evidence)
        # Borg on the controller saw the newer state too, and would take the older one for an attack.
        borgs_cache, repository_id = self._context.cache, known.evidence.repository_id
        shutil.rmtree(borgs_cache / ".cache" / "borg" / repository_id, ignore_errors=True)
        (borgs_cache / ".config" / "borg" / "security" / repository_id / "manifest-timestamp").unlink(missing_ok=True)
        await server.restore(known.evidence, linked=linked, kept=kept, rebuild=case.now is None)
        evidence = await self._renewed(await self._proven(known.evidence))
        await self._settle(replace(known, checked=time.time(), checking=False), evidence)
        await self._context.remember(Entry(what="rollback", cause="; ".join(case.differences) or "nothing differed"))

    def _known(self, case: Case) -> Ledger:
        if case.known is None:
            raise self._context.failure(
                "no state of its repository was ever verified: there is nothing to go back to",
                hint=f"{command_line('accept', self._name)} accepts the present state",
            )
        return case.known

    async def _usable(self, server: ServerStore, evidence: Evidence) -> bool:
        needed = {segment for segment, objects in evidence.live.items() if objects}
        there, linked = await server.segments(needed)
        if gone := sorted(needed - there):
            named = ", ".join(str(segment) for segment in gone[:5])
            raise self._context.failure(
                f"the backup server lacks {plural(len(gone), 'segment')} of the last verified state: {named}",
                hint="nothing was changed; look for them in a backup of the backup server, or for an older state: "
                f"{command_line('rollback', self._name, '--list')}. {command_line('accept', self._name)} gives the "
                "lost archives up",
            )
        return linked

    async def _proven(self, wanted: Evidence) -> Evidence:
        checked = await self._context.borg(Step.CHECK, borg_command.check())
        checked.or_raise(CONTROLLER, "check", warned=True)
        now, why = await self._present_evidence()
        if now is None:
            raise self._stays_closed(f"the state that was put back cannot be read: {why}")
        verdict = guard.judge(wanted, now, None)
        if verdict.state is State.TAMPERED or checked.status != 0:
            said = "; ".join(verdict.rules) or checked.failure(CONTROLLER, "check").cause
            raise self._stays_closed(f"what was put back is not the last verified state: {said}")
        return now

    def _stays_closed(self, cause: str) -> Failure:
        again = command_line("rollback", self._name)
        return self._context.failure(
            cause, hint=f"the repository stays closed; run {again} again, or look at it by hand"
        )

    async def _renewed(self, proven: Evidence) -> Evidence:
        """Write the manifest anew: a borg that has seen a newer one takes an older one for an attack (1.2.4, 1.4.5).

        No command of borg's does only that. Where the disk is too full for an empty archive, warn and leave it.
        """
        name = f"borgpull-rollback-{secrets.token_hex(8)}"
        made = await self._context.borg(Step.VERIFY, borg_command.create_empty(name))
        if made.status not in (0, WARNED):
            failure = made.failure(CONTROLLER, "create")
            text = f"the target's borg may refuse the older state, for it has seen a newer one: {failure.cause}"
            self._context.warn(text, failure.hint)
        else:
            gone = await self._context.borg(Step.VERIFY, borg_command.delete([name]))
            gone.or_raise(CONTROLLER, "delete", warned=True)
        now, why = await self._present_evidence()
        if now is None or (rules := guard.judge_maintenance(proven, now, intent=frozenset()).rules):
            raise self._stays_closed(f"what was put back has changed: {why if now is None else '; '.join(rules)}")
        return now
