"""A borg command of the operator's, on the controller, at the operator's terminal.

With full access it works on the state that was verified last and on no other, and what it makes of it is the new truth,
for the controller itself changed it. Without, it may work on any state, and what it changes is only reported: the state
that was verified stays the truth. If the controller dies in between, the next run finds a changed repository.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .. import guard
from ..borg.output import Line, Message
from ..borg.passthrough import LATEST, BorgArguments
from ..errors import BACKUP_SERVER, Failure, program_party
from ..ledger import Entry, Ledger
from .archives import archives_of
from .context import TargetContext
from .inspection import is_unchanged
from .recovery import Case, Recovery
from .verification import GONE, Verification, recovery_hint


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an operator's borg changed, in words; `settled` if the ledger has it, or there is nothing."""

    changes: tuple[str, ...]
    settled: bool


class Passthrough:
    """The repository of one target around an operator's borg. The caller holds the run lock."""

    def __init__(self, context: TargetContext, *, full_access: bool) -> None:
        self._context = context
        self._full_access = full_access
        self._known: Ledger | None = None

    @property
    def recovery_hint(self) -> str:
        return recovery_hint(self._context.target.name, rollback=self._context.store.shows_records)

    async def begin(self) -> Failure | None:
        """Check that the repository is as it was verified last.

        If not, raises Failure with full access, and returns it without. Where nothing was ever verified there is
        nothing to keep: the next run takes what it finds. A state in Grace can only be read.
        """
        if self._context.kept:
            return None
        found = await self._context.store.read_evidence()
        if found.ledger is None and not found.unreadable:
            return None
        verification = Verification(self._context)
        try:
            await verification.inspect()
        except Failure as failure:
            if self._full_access:
                raise
            return failure
        self._known = verification.verified
        return None

    async def named(self, given: BorgArguments) -> BorgArguments:
        """Return the command with an archive for each `::latest`. Raises Failure, UsageError when there is none."""
        if LATEST not in given.arguments:
            return given
        archives = await archives_of(self._context)
        return replace(given, arguments=given.of_latest(archives.chosen(LATEST.removeprefix("::")).name))

    async def run(self, given: BorgArguments, *, stdin: int) -> int:
        """Run it, and return its exit status, -N for signal N. Raises Failure when it cannot be run."""
        ended = await self._context.passthrough(
            given, append_only=not self._full_access, stdin=stdin, on_server_output=self._on_output
        )
        return ended.status

    def _on_output(self, line: Line) -> None:
        if not isinstance(line, Message):
            return
        party = program_party("borg", BACKUP_SERVER)
        if line.is_warning or line.is_error:
            self._context.warn(f"{party}: {line.text}")
        else:
            self._context.events.said(party, line.text)

    async def end(self) -> Changes:
        """Look at what it left, and settle that where it had full access.

        Raises Failure when it cannot be settled: the ledger then stays as it was.
        """
        known = self._known
        changes: tuple[str, ...] = ()
        if known and not is_unchanged(await self._context.store.read_evidence(), known.evidence):
            recovery = Recovery(self._context)
            case = await recovery.case()
            if not self._full_access:
                changes = () if case.now == known.evidence else case.differences
            elif case.now != known.evidence:
                changes = await self._adopt(recovery, case, known)
        if self._full_access:
            cause = "; ".join(changes) or "nothing was changed"
            await self._context.remember(Entry(what="borg --full-access", cause=cause))
        return Changes(changes=changes, settled=self._full_access or not changes)

    async def _adopt(self, recovery: Recovery, case: Case, known: Ledger) -> tuple[str, ...]:
        if case.now is None and not case.gone:
            raise self._context.failure(
                f"what it left cannot be read, and is not taken as the truth: {'; '.join(case.differences)}",
                hint=f"if its passphrase was changed, put the new one into the config; then {self.recovery_hint}",
            )
        await recovery.adopt(case)
        return guard.operator_changes(known.evidence, case.now) if case.now else (GONE,)
