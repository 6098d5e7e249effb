"""A borg command of the operator's, on C, at the operator's terminal: what it may do, and what the ledger says then.

With full access it works on the state that was verified last and on no other, and what it makes of it is the new truth,
for it was C itself that changed it. Without, it may work on any state, and what it changes is only told: the state that
was verified stays the truth. Were C to die in between, the next run finds a changed repository.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .. import guard
from ..borg.by_hand import LATEST, Given
from ..borg.output import Line, Message
from ..errors import BACKUP_SERVER, Failure
from ..events import Said
from ..ledger import Entry, Ledger
from .archives import shelf_of
from .custody import GONE, Custody, ways_out
from .plan import Subject
from .settlement import Case, Settlement


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a borg of the operator's left: in words what it changed, empty when nothing did; whether that is settled."""

    changes: tuple[str, ...]
    settled: bool


class ByHand:
    """The repository of one target around a borg of the operator's. The caller holds the run lock."""

    def __init__(self, subject: Subject, *, full_access: bool) -> None:
        self._subject = subject
        self._full_access = full_access
        self._known: Ledger | None = None

    @property
    def ways_out(self) -> str:
        return ways_out(self._subject.target.name, rollback=self._subject.vault.records)

    async def begin(self) -> Failure | None:
        """See that the repository is as it was verified last.

        Raises Failure when it is not, and there is to be full access; else returns it, to be told. Where nothing was
        ever verified there is nothing to keep: the next run takes what it finds. A state in Grace can only be read.
        """
        if self._subject.kept:
            return None
        found = await self._subject.vault.look()
        if found.ledger is None and not found.unreadable:
            return None
        custody = Custody(self._subject)
        try:
            await custody.inspect()
        except Failure as failure:
            if self._full_access:
                raise
            return failure
        self._known = custody.verified
        return None

    async def named(self, given: Given) -> Given:
        """Return the command with an archive for each `::latest`. Raises Failure, UsageError when there is none."""
        if LATEST not in given.arguments:
            return given
        shelf = await shelf_of(self._subject)
        return replace(given, arguments=given.of_latest(shelf.chosen(LATEST.removeprefix("::")).name))

    async def run(self, given: Given, *, stdin: int) -> int:
        """Run it, and return its exit status, -N for signal N. Raises Failure when it cannot be run."""
        ended = await self._subject.by_hand(
            given, append_only=not self._full_access, stdin=stdin, server_heard=self._heard
        )
        return ended.status

    def _heard(self, line: Line) -> None:
        if not isinstance(line, Message):
            return
        target, party = self._subject.target.name, f"borg {BACKUP_SERVER}"
        if line.is_warning or line.is_error:
            self._subject.warn(f"{party}: {line.text}")
        else:
            self._subject.plan.emit(Said(target=target, party=party, text=line.text))

    async def end(self) -> Left:
        """Look at what it left, and settle that where it had full access.

        Raises Failure when it cannot be settled: the ledger then stays as it was.
        """
        left = await self._settled()
        if self._full_access:
            cause = "; ".join(left.changes) or "nothing was changed"
            await self._subject.remember(Entry(what="borg --full-access", cause=cause))
        return left

    async def _settled(self) -> Left:
        if self._known is None or await Custody(self._subject).is_still(self._known):
            return Left(changes=(), settled=True)
        settlement = Settlement(self._subject)
        case = await settlement.case()
        if case.now == self._known.evidence:
            return Left(changes=(), settled=True)
        if not self._full_access:
            return Left(changes=case.differences, settled=not case.differences)
        if case.now is None and not case.gone:
            raise self._unreadable(case)
        await settlement.take(case)
        changes = guard.own_changes(self._known.evidence, case.now) if case.now else (GONE,)
        return Left(changes=changes, settled=True)

    def _unreadable(self, case: Case) -> Failure:
        return self._subject.failure(
            f"what it left cannot be read, and is not taken as the truth: {'; '.join(case.differences)}",
            hint=f"if its passphrase was changed, put the new one into the config; then {self.ways_out}",
        )
