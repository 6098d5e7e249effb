"""What is proven about one repository: evidence, verdict, and the phases of its ledger.

Nothing is pruned or compacted except between `begin_maintenance` and `end_maintenance`, and only a clean verdict leads
there. A state that was not verified never replaces one that was. The controller sees the archives and the backup
server's own records, or archives and key where that gives no shell.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NoReturn

from .. import guard
from ..borg import command_lines as borg_command
from ..borg.failure import HALF_MADE, MISSING_REPOSITORY
from ..borg.output import Archive
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, TamperedError, command_line, plural
from ..events import Step
from ..guard import Archive as RepositoryArchive
from ..guard import Evidence, Expected, State, TooMany, Unreadable, Verdict
from ..ledger import Found, Ledger, Note, Phase, Space
from ..retention import ArchiveState
from ..transport import BorgResult, known_ids, manifest_time
from ..untrusted import clean
from .context import TargetContext
from .grace import name_of, oldest_kept
from .inspection import damage_of, evidence_of, is_there, is_unchanged
from .space import Allowance, allow, min_free

# How far the clocks of the controller and the target may be apart.
SKEW_SECONDS = 3600.0
_SECONDS_OFF = 60.0

# The ledger holds these; their words stay.
TAMPERED = "its repository was tampered with"
CHANGED = "its repository was changed between two runs"
UNVERIFIABLE = "its repository could not be verified"
GONE = "the repository is gone: there is nothing at its path"
EMPTY = "the repository is empty: its config, its key and its records are gone"


class Verification:
    """The repository of one target in the course of one job."""

    def __init__(self, context: TargetContext) -> None:
        self._context = context
        self._store = context.store
        self._ledger: Ledger | None = None
        self.taken_over = self.made_first = False
        self.space: Space | None = None
        # The backup server's clock when the ledger was written, and when the run before began: 0 if unknown.
        self._server_clock = self._last_run = 0.0

    @property
    def verified(self) -> Ledger:
        """Return the ledger as it was last read or written. Only after `inspect`."""
        if self._ledger is None:
            raise Failure(CONTROLLER, "the repository was not inspected yet", hint="please report this as a defect")
        return self._ledger

    def clock_disagreement(self) -> str:
        """Return in words how other clocks disagree with the controller's, "" when they do not."""
        now = time.time()
        ahead = self._server_clock - now if self._server_clock else 0.0
        if abs(ahead) > SKEW_SECONDS:
            how = "ahead of" if ahead > 0 else "behind"
            return f"the backup server's clock is {abs(ahead):.0f} s {how} the controller's"
        if self._last_run > now + _SECONDS_OFF:
            return f"the last run is dated {self._last_run - now:.0f} s in the future by the controller's clock"
        return ""

    async def inspect(self, seen_there: str | None = None) -> str:
        """Prove that the repository is in the state that was verified last; create one when there never was any.

        `seen_there` is the repository that the target's borg has seen at this place, "" for none; with None none is
        created.

        Returns a few words on what was found. Otherwise closes the repository and raises TamperedError.
        """
        found = await self._store.read_evidence()
        if found.unreadable:
            raise self._tampered(UNVERIFIABLE, (unreadable_ledger(found.unreadable),))
        if found.ledger is None:
            return await self._adopt_or_create(found, seen_there)
        self._ledger = known = found.ledger
        self._last_run = known.started
        is_clean = known.phase is Phase.CLEAN
        cause = CHANGED if is_clean else TAMPERED
        if known.phase is Phase.CLOSED:
            raise self._tampered(known.cause, known.rules)
        if not found.repository:
            await self._close(cause, (GONE,))
        if damage := damage_of(found):
            if not is_clean:
                # What a session or the controller itself left was never verified.
                await self._close(UNVERIFIABLE, (damage,))
            raise Failure(
                BACKUP_SERVER,
                f"a repository is damaged, as after a power cut or on a failing disk: {damage}",
                hint=f"nothing was changed. {command_line('rollback', self._context.target.name)} puts the last "
                "verified state back, and proves it",
            )
        if is_clean and is_unchanged(found, known.evidence):
            self.change(replace(known, evidence=replace(known.evidence, nonce=found.records.nonce)))
            return ""
        now = await self._evidence()
        await self._require_clean(_judge_interrupted(known, now), cause)
        if known.phase is Phase.OPEN:
            for archive in now.archives - known.evidence.archives:
                if archive.name == known.archive:
                    self.note(archive.id, Note(state=ArchiveState.UNJUDGED))
        await self._store_clean(now)
        return "" if is_clean else "an interrupted run was verified"

    async def _adopt_or_create(self, found: Found, seen_there: str | None) -> str:
        # That there is no ledger, or no repository, counts only when it was seen twice.
        if (again := await self._store.read_evidence()) != found:
            shown = "a ledger" if again.ledger or again.unreadable else "other files"
            raise Failure(
                BACKUP_SERVER,
                f"it shows {shown} that it did not show before",
                hint="nothing was changed; look there for errors of its disk",
                transient=True,
            )
        # Where the backup server shows that nothing lies there, borg is not asked: its init refuses a repository.
        bare = seen_there is not None and self._store.shows_records and not found.repository
        listed = None if bare else await self._context.borg(Step.INSPECT, borg_command.list_archives())
        if listed is None or listed.status != 0:
            await self._create(found, listed, seen_there)
            evidence = await self._new_evidence() or await self._evidence()
            self._ledger = Ledger(phase=Phase.CLEAN, evidence=evidence, pruned=time.time())
            self.made_first = found.is_first
            return "made a new repository"
        await self._require_borg()
        evidence = await self._evidence()
        if place := await self._store.known_place(evidence.repository_id):
            name = self._context.target.name
            raise self._context.failure(
                f"its repository has no ledger, but once had one, in {place}",
                hint=f"nothing was changed; if it was moved: {_follow(name)}; else put that folder back. "
                f"If it is lost: {command_line('accept', name)} takes the repository as it is",
            )
        self._ledger = Ledger(phase=Phase.CLEAN, evidence=evidence)
        self.taken_over = True
        return f"taken over as it is, with {plural(len(evidence.archives), 'archive')}"

    async def _create(self, found: Found, listed: BorgResult | None, seen_there: str | None) -> None:
        """Create the repository; nothing was `listed` where nothing lies.

        Raises Failure when there is one, or ever was.
        """
        kinds = listed.said.kinds() if listed else {MISSING_REPOSITORY}
        half = found.repository and not HALF_MADE.isdisjoint(kinds)
        missing = not found.repository and MISSING_REPOSITORY in kinds
        if listed and (seen_there is None or not (half or missing)):
            raise listed.failure(CONTROLLER, "list")
        await self._require_borg()
        if not found.given_up:
            await self._refuse_known(seen_there or "", found)
        if listed and half:
            # What an interrupted `borg init` left is moved out of the way.
            if not (aside := await self._store.set_aside()):
                raise listed.failure(CONTROLLER, "list")
            text = "a `borg init` was cut off before: what it left was moved away, and the repository is made anew"
            self._context.warn(text, f"it held nothing: remove {aside} on the backup server when you like")
        init = borg_command.init(self._context.target.encryption)
        (await self._context.borg(Step.INSPECT, init)).or_raise(CONTROLLER, "init")

    async def _new_evidence(self) -> Evidence | None:
        """Return the evidence of a repository that our own borg has just made; None where it has to be listed first."""
        found = await self._store.read_evidence()
        try:
            modified = manifest_time(self._context.cache, found.records.repository_id)
            return guard.read_new(files=found.files, modified=modified, segments=found.segments)
        except (Unreadable, OSError):
            return None

    async def _require_borg(self) -> None:
        # Once for each repository: it costs a start of borg.
        await self._store.require_borg(self._context.config.server.borg_path)

    @property
    def to_judge(self) -> list[RepositoryArchive]:
        """Return the archives whose run died before it could judge them, and that no later run has looked into."""
        fresh = Note(state=ArchiveState.UNJUDGED)
        return [each for each in self.verified.evidence.archives if self.verified.note(each.id) == fresh]

    def change(self, known: Ledger) -> None:
        """Change the ledger here; the next write stores it."""
        self._ledger = known

    def note(self, archive_id: str, note: Note) -> None:
        self.change(replace(self.verified, notes={**self.verified.notes, archive_id: note}))

    async def _refuse_known(self, seen_there: str, found: Found) -> None:
        """Raise Failure where anybody knows of a repository of this target: then none may be created.

        A target that claims so can stop no more than its own first backup.
        """
        config, name = self._context.config, self._context.target.name
        half_made = found.files["config"].data if "config" in found.files else b""
        ids = known_ids(self._context.cache, self._context.repository.location)
        seen_here = next((each for each in ids if each.encode() not in half_made), "")
        if seen := seen_here or seen_there:
            why = f"though {'this controller' if seen_here else 'its borg'} has seen one there ({seen[:12]}…)"
            hint = "mount the disk of the backup server that it is on, or put RootDir or SubDir back"
        elif places := await self._store.left_behind(config, name):
            why = f"but a ledger of a target of this name lies in {clean(places[0])}"
            hint = f"put SubDir back; or move the repository to the new one, then {_follow(name)}"
        else:
            return
        raise self._context.failure(
            f"there is no repository at its place, {why}",
            hint=f"{hint}; no repository was made. If that one is lost for good, {command_line('accept', name)} lets "
            "the next run make a new one",
        )

    async def open(self, archive: str, started: float, *, further: bool = False) -> None:
        """Make the snapshot, and record that the target may now add `archive`; without one, that it may add nothing.

        `further` says that it is not the first session of its run. Raises TooMany when there may be no room for what
        the session adds.
        """
        if archive:
            guard.refuse_too_many(self.verified.evidence)
        name = self._context.target.name
        opened = replace(
            self.verified, target=name, phase=Phase.OPEN, archive=archive, started=started, rules=(), size_before=0
        )
        seen = await self._store.write(opened, snapshot="make")
        self.space = seen.space
        # Growth is counted from the last run that could add something.
        before = seen.size if archive and not further else self.verified.size_before
        self._ledger = replace(opened, has_hard_links=seen.has_hard_links, size_before=before)

    async def verify(self, *, has_ended: bool = False) -> Verdict:
        """Judge what the session left: return a clean verdict, or close the repository and raise TamperedError.

        `has_ended` says that its serve was seen to end.
        """
        opened = self.verified
        # One that still runs holds the lock, for which borg would wait. The evidence waits for it in any case.
        if not has_ended:
            await self._store.await_serve()
        now = await self._evidence()
        verdict = guard.judge(opened.evidence, now, _expected(opened))
        await self._require_clean(verdict)
        self._ledger = replace(opened, phase=Phase.CLEAN, evidence=now)
        return verdict

    async def settle(self, archive: Archive | None, *, checking: bool = False) -> None:
        """Store the verified state.

        `archive` is what the target's borg said of the archive that was added. `checking` says that a check begins now:
        until it has passed, one is due.
        """
        settled = self.verified
        if checking:
            settled = replace(settled, checking=True, check_began=settled.check_began or time.time())
        if archive is not None:
            settled = replace(settled, size=archive.original_size, files=archive.files)
        await self.save(settled)

    async def save(self, known: Ledger) -> None:
        """Store a verified state; drop the snapshot of the one before it, and what Grace kept too long."""
        written = await self._store.write(known, snapshot="drop", oldest=oldest_kept(self._context, known))
        self._server_clock, self.space = written.clock, written.space
        self._ledger = known

    def allow(self, *, adds: bool = True) -> Allowance:
        """Return how large the session that was opened may let the repository get. Raises NoSpace."""
        context, quota = self._context, self._context.target.quota
        return allow(context.claim, self.verified, self.space, quota=quota, floor=context.config.min_free, adds=adds)

    def lacks_space(self, more: int = 0) -> bool:
        """Tell whether less than the minimum and `more` bytes is free; where that is not visible, it is not."""
        floor = self._context.config.min_free
        return self.space is not None and self.space.free < min_free(self.space.index, floor) + more

    async def begin_maintenance(self, intent: frozenset[str], *, keep: bool) -> None:
        """Record that the controller itself will delete the archives with these ids, and compact.

        `keep` keeps the state before it in Grace.
        """
        self._ledger = replace(self.verified, phase=Phase.MAINTENANCE, intent=intent)
        grace = name_of(time.time()) if keep and self._context.target.grace else ""
        await self._store.write(self._ledger, grace=grace)

    async def confirm_deleted(self) -> list[str]:
        """List the archives after a deletion; return the names of those that should be gone and are still there.

        Raises TamperedError when others are gone, or some came.
        """
        known, now = self.verified, await self._evidence()
        await self._require_clean(guard.judge_maintenance(known.evidence, now, intent=known.intent))
        self._ledger = replace(known, evidence=now)
        return sorted(archive.name for archive in now.archives if archive.id in (known.intent or ()))

    async def end_maintenance(self, *, pruned: bool) -> None:
        """Store the state that the controller made; `pruned`: it had all that was to go.

        Raises TamperedError when something came that it did not make.
        """
        before = self.verified.evidence
        # To list the archives costs a start of borg: no need when nothing changed.
        unchanged = is_unchanged(await self._store.read_evidence(), before)
        now = before if unchanged else await self._evidence()
        await self._require_clean(guard.judge_maintenance(before, now, intent=self.verified.intent))
        self.change(replace(self.verified, pruned=time.time() if pruned else self.verified.pruned))
        await self._store_clean(now)

    async def freeable(self) -> int | None:
        """Return how many bytes a compaction could free, by borg's own count; None where that is not visible."""
        if not self._store.shows_records:
            return None
        try:
            return (await self._store.read_evidence()).records.freeable
        except Unreadable:
            return 0

    async def _require_clean(self, verdict: Verdict, cause: str = TAMPERED) -> None:
        if verdict.state is not State.CLEAN:
            await self._close(UNVERIFIABLE if verdict.state is State.UNVERIFIABLE else cause, verdict.rules)

    async def _evidence(self) -> Evidence:
        # The list comes first: opening a repository makes borg finish what a crash left half recorded.
        listed = await self._context.borg(Step.VERIFY, borg_command.list_archives())
        found = await self._store.read_evidence()
        if not is_there(self._context, listed, found):
            await self._close(TAMPERED, (GONE,))
        try:
            if listed.status != 0:
                await self._judge_unlisted(found, listed)
            return await evidence_of(self._context, listed, found)
        except Unreadable as error:
            await self._close(UNVERIFIABLE, (str(error),))
        except TooMany as failure:
            # Before the session there was room for any honest one.
            if self._ledger is not None and self._ledger.phase is Phase.OPEN:
                await self._close(UNVERIFIABLE, (failure.cause,))
            raise

    async def _judge_unlisted(self, found: Found, listed: BorgResult) -> NoReturn:
        failure = listed.failure(CONTROLLER, "list")
        if self._ledger is None or failure.transient:
            raise failure
        if not self._store.shows_records:
            if listed.speaks_against_repository:
                await self._require_clean(guard.unverifiable(f"the archives cannot be listed: {failure.cause}"))
            raise failure
        if not found.files:
            await self._close(TAMPERED, (EMPTY,))
        maintenance = self._ledger.phase is Phase.MAINTENANCE
        verdict = guard.judge_unlisted(self._ledger.evidence, found.records, why=failure.cause, maintenance=maintenance)
        if verdict.state is State.TAMPERED or listed.speaks_against_repository:
            await self._require_clean(verdict)
        raise failure

    async def _store_clean(self, evidence: Evidence) -> None:
        self._ledger = replace(self.verified, phase=Phase.CLEAN, evidence=evidence, intent=None)
        self.space = (await self._store.write(self._ledger)).space

    async def _close(self, cause: str, rules: tuple[str, ...]) -> NoReturn:
        if self._ledger is not None:
            self._ledger = replace(self._ledger, phase=Phase.CLOSED, cause=cause, rules=rules)
            await self._store.write(self._ledger)
        raise self._tampered(cause, rules)

    def _tampered(self, cause: str, rules: tuple[str, ...]) -> TamperedError:
        ways = recovery_hint(self._context.target.name, rollback=self._store.shows_records, gone=GONE in rules)
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
    ways = f"{command_line('accept', name)} accepts the present state, if it was you who changed it"
    if rollback:
        ways = f"{command_line('rollback', name)} puts the last verified state back, {ways}"
    else:
        ways = f"without a shell on the backup server there is no way back from here; {ways}"
    return f"if its disk on the backup server is not mounted, mount it first; {ways}" if gone else ways


def release_hint(name: str) -> str:
    return (
        f"nothing is pruned or compacted meanwhile. Look at that host; then {command_line('release', name)}, which "
        "asks what becomes of the odd archives"
    )


def _follow(name: str) -> str:
    return command_line("accept", "--moved", name)


def _judge_interrupted(known: Ledger, now: Evidence) -> Verdict:
    """Judge what lies there since the ledger was written, by what was going on then."""
    if known.phase is Phase.MAINTENANCE:
        return guard.judge_maintenance(known.evidence, now, intent=known.intent)
    return guard.judge(known.evidence, now, _expected(known) if known.phase is Phase.OPEN else None)


def _expected(opened: Ledger) -> Expected | None:
    if not opened.archive:
        # The target was only allowed to read: nobody should have written anything.
        return None
    return Expected(archive_name=opened.archive, started=opened.started, ended=time.time(), skew=SKEW_SECONDS)
