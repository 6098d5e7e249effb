"""What is proven about one repository: evidence, verdict, and the phases of its ledger.

Nothing is pruned or compacted except between `begin_maintenance` and `end_maintenance`, and only a clean verdict leads
there. A state that was not verified never replaces one that was. The controller sees the archives and the backup
server's own records, or archives and key where that gives no shell.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from typing import NoReturn

from .. import guard
from ..borg import command as borg_command
from ..borg.failure import HALF_MADE, MISSING_REPOSITORY
from ..borg.hints import read_hints
from ..borg.output import Archive
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, TamperedError
from ..events import Step
from ..guard import Archive as RepositoryArchive
from ..guard import Evidence, Expected, Records, State, Unreadable, Verdict
from ..ledger import Found, Hold, Ledger, Note, Phase, Space
from ..retention import ArchiveState, Facts
from ..transport import BorgResult, known_ids
from ..untrusted import clean
from .context import TargetContext
from .damage import damage_of, damaged
from .grace import name_of, oldest_kept
from .space import Allowance, allow, min_free

# How far the clocks of C and T may be apart.
SKEW_SECONDS = 3600.0
_SECONDS_OFF = 60.0

TAMPERED = "its repository was tampered with"
CHANGED = "its repository was changed between two runs"
UNVERIFIABLE = "its repository could not be verified"
GONE = "the repository is gone: there is nothing at its path"
EMPTY = "the repository is empty: its config, its key and its records are gone"


@dataclass
class Clocks:
    """The clock of B when the ledger was last written, and when the run before began: unix seconds, 0 if unknown."""

    server: float = 0.0
    last_entry: float = 0.0

    def disagreement(self, now: float) -> str:
        """Return in words how the clocks disagree with C's, "" when they do not."""
        if self.server and abs(self.server - now) > SKEW_SECONDS:
            return (
                f"the clock of B is {abs(self.server - now):.0f} s {'ahead of' if self.server > now else 'behind'} ours"
            )
        if self.last_entry > now + _SECONDS_OFF:
            return f"the last run is dated {self.last_entry - now:.0f} s in the future by our clock"
        return ""


class Verification:
    """The repository of one target in the course of one job."""

    def __init__(self, context: TargetContext) -> None:
        self._context = context
        self._vault = context.vault
        self._ledger: Ledger | None = None
        self.taken_over = self.made = False
        self.clocks = Clocks()
        self.space: Space | None = None

    @property
    def verified(self) -> Ledger:
        """Return the ledger as it was last read or written. Only after `inspect`."""
        if self._ledger is None:
            raise Failure(
                CONTROLLER, "the repository has not been inspected yet", hint="please report this as a defect"
            )
        return self._ledger

    async def inspect(self, seen_there: str | None = None) -> str:
        """See that the repository is in the state that was last verified, making it when there never was one.

        `seen_there` is which repository T's borg has seen at this place, "" for none; without it none is made.

        Returns a few words on what was found. Raises TamperedError, and closes the repository, when it is not.
        """
        found = await self._vault.read_evidence()
        if found.unreadable:
            raise self._tampered(UNVERIFIABLE, (unreadable_ledger(found.unreadable),))
        if found.ledger is None:
            return await self._adopt_or_create(found, seen_there)
        self._ledger = found.ledger
        self.clocks.last_entry = found.ledger.started
        if found.ledger.phase is Phase.CLOSED:
            raise self._tampered(found.ledger.cause, found.ledger.rules)
        if not found.repository:
            await self._close(CHANGED if found.ledger.phase is Phase.CLEAN else TAMPERED, (GONE,))
        if damage := damage_of(found):
            if found.ledger.phase is not Phase.CLEAN:
                # What a session or the controller itself left nobody has verified.
                await self._close(UNVERIFIABLE, (damage,))
            raise damaged(self._context.target.name, damage)
        records = self._records(found)
        if found.ledger.phase is Phase.CLEAN and records and guard.still_holds(found.ledger.evidence, records):
            return ""
        now = await self._evidence()
        cause = CHANGED if found.ledger.phase is Phase.CLEAN else TAMPERED
        await self._require_clean(_judge_absence(found.ledger, now), cause)
        self._note_what_was_left(now)
        await self._store(Phase.CLEAN, now)
        return "" if found.ledger.phase is Phase.CLEAN else "an interrupted run was verified"

    async def _adopt_or_create(self, found: Found, seen_there: str | None) -> str:
        # That there is no ledger, or no repository, is believed when it was seen twice.
        if (again := await self._vault.read_evidence()) != found:
            raise _unsteady(again)
        listed = await self._context.borg(Step.INSPECT, borg_command.list_archives())
        made = ""
        if listed.status != 0:
            half = found.repository and not HALF_MADE.isdisjoint(listed.said.kinds())
            missing = not found.repository and MISSING_REPOSITORY in listed.said.kinds()
            if seen_there is None or not (half or missing):
                raise listed.failure(CONTROLLER, "list")
            if not found.given_up:
                await self._refuse_known(seen_there, found)
            if half:
                await self._set_aside(listed)
            init = borg_command.init(self._context.target.encryption)
            (await self._context.borg(Step.INSPECT, init)).or_raise(CONTROLLER, "init")
            made = "made a new repository"
        evidence = await self._evidence()
        if not made and (place := await self._vault.known_place(evidence.repository_id)):
            raise self._ledger_gone(place)
        self._ledger = Ledger(phase=Phase.CLEAN, evidence=evidence)
        self.taken_over, self.made = not made, bool(made)
        return made or f"taken over as it is, with {len(evidence.archives)} archives"

    async def _set_aside(self, listed: BorgResult) -> None:
        """Move what a `borg init` left that was cut off out of the way, and tell it. Raises Failure when it cannot."""
        aside = await self._vault.set_aside()
        if not aside:
            raise listed.failure(CONTROLLER, "list")
        text = "a `borg init` was cut off before: what it left was moved away, and the repository is made anew"
        hint = f"it held nothing: remove {aside} on the backup server when you like"
        self._context.warn(text, hint)

    def _note_what_was_left(self, now: Evidence) -> None:
        """Note that the archive of a run that died was never judged."""
        known = self.verified
        if known.phase is Phase.OPEN:
            for archive in now.archives - known.evidence.archives:
                if archive.name == known.archive:
                    self.note(archive.id, Note(state=ArchiveState.UNJUDGED))

    @property
    def to_judge(self) -> list[RepositoryArchive]:
        """Return the archives whose run died before it could judge them, and that no later run has looked into."""
        fresh = Note(state=ArchiveState.UNJUDGED)
        return [each for each in self.verified.evidence.archives if self.verified.note(each.id) == fresh]

    def note(self, archive_id: str, note: Note) -> None:
        """Remember what an archive is; it is written down with whatever is written next."""
        self._ledger = replace(self.verified, notes={**self.verified.notes, archive_id: note})

    def compared(self, archive_id: str, facts: Facts, holds: tuple[Hold, ...], *, odd: bool) -> None:
        """Remember what is known of a new archive, whether it is odd, and what the target is held for."""
        known = self.verified
        if odd:
            words = "; ".join(dict.fromkeys(hold.words for hold in holds))
            self.note(archive_id, replace(known.note(archive_id), state=ArchiveState.ODD, reason=words))
        released = time.time() if known.holds and not holds else known.released
        facts_of_all = {**known.facts, archive_id: facts}
        self._ledger = replace(self.verified, facts=facts_of_all, holds=holds, released=released)

    async def _refuse_known(self, seen_there: str, found: Found) -> None:
        """Raise Failure where somebody knows of a repository of this target: none was to be made then.

        That T says so can stop no more than its own first backup.
        """
        config, name = self._context.config, self._context.target.name
        half_made = found.files["config"].data if "config" in found.files else b""
        ids = known_ids(self._context.cache, self._context.repository.location)
        seen_here = next((each for each in ids if each.encode() not in half_made), "")
        if seen := seen_here or seen_there:
            why = f"though {'this controller' if seen_here else 'its borg'} has seen one there ({seen[:12]}…)"
            hint = "mount the disk of the backup server that it is on, or put RootDir or SubDir back"
        elif places := await self._vault.left_behind(config, name):
            why = f"but a ledger of a target of this name lies in {clean(places[0])}"
            hint = f"put SubDir back; or move the repository to the new one, and then `borgpull accept --moved {name}`"
        else:
            return
        raise self._context.failure(
            f"there is no repository at its place, {why}",
            hint=f"{hint}; no repository was made. If that one is lost for good, `borgpull accept {name}` lets the "
            "next run make a new one",
        )

    def _ledger_gone(self, place: str) -> Failure:
        name = self._context.target.name
        return self._context.failure(
            f"its repository has no ledger, but once had one, in {place}",
            hint=f"nothing was changed; if it was moved: `borgpull accept --moved {name}`; else put that folder back. "
            f"If it is lost: `borgpull accept {name}` takes the repository as it is",
        )

    async def open(self, archive: str, started: float, *, further: bool = False) -> None:
        """Make the snapshot and write down that T may now add `archive`; without one, that it may add nothing.

        `further` says that it is not the first session of its run.
        """
        name = self._context.target.name
        opened = replace(
            self.verified, target=name, phase=Phase.OPEN, archive=archive, started=started, rules=(), size_before=0
        )
        seen = await self._vault.write(opened, snapshot="make")
        self.space = seen.space
        # Growth is counted from the last run that could add something.
        before = seen.size if archive and not further else self.verified.size_before
        self._ledger = replace(opened, has_hard_links=seen.has_hard_links, size_before=before)

    async def verify(self) -> Verdict:
        """Judge what T's session left. Returns a clean verdict; raises TamperedError, and closes the repository."""
        opened = self.verified
        # A serve that still runs holds the lock, for which borg would wait.
        await self._vault.await_serve()
        now = await self._evidence()
        verdict = guard.judge(opened.evidence, now, _expected(opened))
        await self._require_clean(verdict)
        self._ledger = replace(opened, phase=Phase.CLEAN, evidence=now)
        return verdict

    async def settle(self, archive: Archive | None, *, checking: bool = False) -> None:
        """Write down the verified state, and drop the snapshot of the one before it.

        `archive` is what T's borg said of the archive that was added. `checking` says that a check begins now: until it
        has passed, one is due.
        """
        known = self.verified
        began = known.check_began or time.time() if checking else known.check_began
        settled = replace(known, checking=checking or known.checking, check_began=began)
        if archive is not None:
            settled = replace(settled, size=archive.original_size, files=archive.files)
        seen = await self._vault.write(settled, snapshot="drop")
        self.clocks.server, self.space = seen.clock, seen.space
        self._ledger = settled

    async def end_check(self, *, passed: bool) -> None:
        """Write down that borg check found nothing, or damage: the next check then begins anew."""
        known = replace(self.verified, check_from=0, check_began=0.0)
        self._ledger = replace(known, checked=time.time(), checking=False) if passed else known
        await self.settle(None)

    async def begin_part(self) -> bool:
        """Let a check go on from where our last one ended; return whether it begins anew, for B says it was elsewhere.

        T can say so there, and what lies before it would not be read.
        """
        if await self._check_from() == self.verified.check_from:
            return False
        await self._vault.check_anew()
        self._ledger = replace(self.verified, check_from=0)
        return True

    async def end_part(self) -> int:
        """Write down from which segment the check goes on in the next run; 0 if it has read them all."""
        self._ledger = replace(self.verified, check_from=await self._check_from())
        await self.settle(None)
        return self.verified.check_from

    async def _check_from(self) -> int:
        found = await self._vault.read_evidence()
        try:
            return guard.read_records(found.files, read_hints=read_hints).check_from
        except Unreadable as error:
            hint = "look there for errors of its disk; the next run tries again"
            raise Failure(BACKUP_SERVER, f"how far the check came cannot be read: {error}", hint=hint) from None

    def allow(self, *, adds: bool = True) -> Allowance:
        """Return how large the session that was opened may let the repository get. Raises NoSpace."""
        context, quota = self._context, self._context.target.quota
        return allow(context.claim, self.verified, self.space, quota=quota, floor=context.config.min_free, adds=adds)

    def lacks_space(self, more: int = 0) -> bool:
        """Tell whether less is free than has to be, and so many bytes; where that cannot be seen, it is not."""
        floor = self._context.config.min_free
        return self.space is not None and self.space.free < min_free(self.space.index, floor) + more

    async def begin_maintenance(self, intent: frozenset[str], *, keep: bool) -> None:
        """Write down that C itself will delete the archives with these ids and compact.

        `keep` keeps the state before it in Grace; what was kept too long goes.
        """
        self._ledger = replace(self.verified, phase=Phase.MAINTENANCE, intent=intent)
        grace = name_of(time.time()) if keep and self._context.target.grace else ""
        await self._vault.write(self._ledger, grace=grace, oldest=oldest_kept(self._context, self._ledger))

    async def confirm_deleted(self) -> list[str]:
        """List the archives after a deletion; return the names of those that were to go and are still there.

        Raises TamperedError when others are gone, or some came.
        """
        known, now = self.verified, await self._evidence()
        await self._require_clean(guard.judge_maintenance(known.evidence, now, intent=known.intent))
        self._ledger = replace(known, evidence=now)
        return sorted(archive.name for archive in now.archives if archive.id in (known.intent or ()))

    async def end_maintenance(self) -> None:
        """Write down the state that C made. Raises TamperedError when something came that C did not make."""
        before = self.verified.evidence
        records = self._records(await self._vault.read_evidence())
        # To list the archives costs a start of borg, and nothing changed: no need.
        now = before if records and guard.still_holds(before, records) else await self._evidence()
        await self._require_clean(guard.judge_maintenance(before, now, intent=self.verified.intent))
        await self._store(Phase.CLEAN, now)

    async def is_still(self, known: Ledger) -> bool:
        """Tell whether B's records are those that `known` has; where they cannot be seen, they never are."""
        records = self._records(await self._vault.read_evidence())
        return records is not None and guard.still_holds(known.evidence, records)

    async def freeable(self) -> int | None:
        """Return how many bytes a compaction could free, by borg's own count; None where that cannot be seen."""
        if not self._vault.records:
            return None
        records = self._records(await self._vault.read_evidence())
        return records.freeable if records else 0

    async def _require_clean(self, verdict: Verdict, cause: str = TAMPERED) -> None:
        if verdict.state is not State.CLEAN:
            await self._close(UNVERIFIABLE if verdict.state is State.UNVERIFIABLE else cause, verdict.rules)

    async def _evidence(self) -> Evidence:
        # The list comes first: opening a repository makes borg finish what a crash left half recorded.
        listed = await self._context.borg(Step.VERIFY, borg_command.list_archives())
        found = await self._vault.read_evidence()
        if not is_there(self._context, listed, found):
            await self._close(TAMPERED, (GONE,))
        try:
            if listed.status != 0:
                await self._judge_unlisted(found, listed)
            return await evidence_of(self._context, listed, found)
        except Unreadable as error:
            await self._close(UNVERIFIABLE, (str(error),))

    async def _judge_unlisted(self, found: Found, listed: BorgResult) -> NoReturn:
        failure = listed.failure(CONTROLLER, "list")
        if self._ledger is None or failure.transient:
            raise failure
        if not self._vault.records:
            if listed.speaks_against_repository:
                await self._require_clean(guard.unverifiable(f"the archives cannot be listed: {failure.cause}"))
            raise failure
        if not found.files:
            await self._close(TAMPERED, (EMPTY,))
        records = guard.read_records(found.files, read_hints=read_hints, segments=found.segments)
        own = self._ledger.phase is Phase.MAINTENANCE
        verdict = guard.judge_unlisted(self._ledger.evidence, records, why=failure.cause, own=own)
        if verdict.state is State.TAMPERED or listed.speaks_against_repository:
            await self._require_clean(verdict)
        raise failure

    @staticmethod
    def _records(found: Found) -> Records | None:
        try:
            return guard.read_records(found.files, read_hints=read_hints, segments=found.segments)
        except Unreadable:
            return None

    async def _store(self, phase: Phase, evidence: Evidence) -> None:
        self._ledger = replace(self.verified, phase=phase, evidence=evidence, intent=None)
        self.space = (await self._vault.write(self._ledger)).space

    async def _close(self, cause: str, rules: tuple[str, ...]) -> NoReturn:
        if self._ledger is not None:
            self._ledger = replace(self._ledger, phase=Phase.CLOSED, cause=cause, rules=rules)
            await self._vault.write(self._ledger)
        raise self._tampered(cause, rules)

    def _tampered(self, cause: str, rules: tuple[str, ...]) -> TamperedError:
        ways = recovery_hint(self._context.target.name, rollback=self._vault.records, gone=GONE in rules)
        return TamperedError(
            self._context.party,
            cause,
            findings=rules,
            unverifiable=cause == UNVERIFIABLE,
            hint=f"nothing was pruned or compacted; {ways}",
        )


def unreadable_ledger(why: str) -> str:
    return f"its ledger cannot be read: {why}"


def recovery_hint(name: str, *, rollback: bool = True, gone: bool = False) -> str:
    """Return what the operator can do about a closed repository of the target `name`; `gone` if nothing is there."""
    if gone:
        ways = recovery_hint(name, rollback=rollback)
        return f"if the disk of the backup server that it is on is not mounted, mount it first; {ways}"
    accept = f"`borgpull accept {name}` takes the present one as the truth, if it was you who changed it"
    if not rollback:
        return f"without a shell on B there is no way back from here; {accept}"
    return f"`borgpull rollback {name}` puts the last verified state back, {accept}"


def release_hint(name: str) -> str:
    return (
        f"nothing is pruned or compacted meanwhile. Look at that host; then `borgpull release {name}`, which asks what "
        "becomes of the odd archives"
    )


def _unsteady(found: Found) -> Failure:
    return Failure(
        BACKUP_SERVER,
        "it shows "
        + ("a ledger" if found.ledger or found.unreadable else "other files")
        + " that it did not show before",
        hint="nothing was changed; look there for errors of its disk",
        transient=True,
    )


def _judge_absence(known: Ledger, now: Evidence) -> Verdict:
    match known.phase:
        case Phase.OPEN:
            return guard.judge(known.evidence, now, _expected(known))
        case Phase.MAINTENANCE:
            return guard.judge_maintenance(known.evidence, now, intent=known.intent)
        case _:
            return guard.judge(known.evidence, now, None)


def _expected(opened: Ledger) -> Expected | None:
    if not opened.archive:
        # T was to read only: nobody was to write anything.
        return None
    return Expected(archive_name=opened.archive, started=opened.started, ended=time.time(), skew=SKEW_SECONDS)


async def evidence_of(context: TargetContext, listed: BorgResult, found: Found) -> Evidence:
    """Make evidence of what `borg list` printed, and of what was found on B after it.

    Raises Unreadable when it is none, Failure when the key cannot be exported.
    """
    if context.vault.records:
        return guard.read_evidence(
            files=found.files, archives=listed.stdout, read_hints=read_hints, segments=found.segments
        )
    return guard.read_listed(archives=listed.stdout, key=await exported_key(context))


def is_there(context: TargetContext, listed: BorgResult, found: Found) -> bool:
    """Tell whether there is a repository: as B's file system says, or as borg does where that cannot be seen."""
    return found.repository if context.vault.records else MISSING_REPOSITORY not in listed.said.kinds()


async def exported_key(context: TargetContext, *, paper: bool = False) -> bytes:
    """Return what `borg key export` writes of the repository's key, as it lies there. Raises Failure."""
    path = context.server.directory / f"k{secrets.token_hex(8)}"
    try:
        export = borg_command.export_key(str(path), paper=paper)
        (await context.borg(Step.INSPECT, export)).or_raise(CONTROLLER, "key export")
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
