"""What an archive is worth: what the target's borg reports of it, compared with what the controller finds."""

from __future__ import annotations

import posixpath
import time
from dataclasses import dataclass, field, replace

from ..borg.command_lines import left_out
from ..borg.output import Archive, is_change, read_created
from ..errors import Failure, TamperedError, UsageError, command_line
from ..events import ArchiveCreated, ArchiveProgress
from ..guard import Archive as RepositoryArchive
from ..guard import Verdict
from ..ledger import Entry, Note, Phase
from ..repository.archives import each_item
from ..repository.context import TargetContext
from ..repository.holds import compare
from ..repository.maintenance import retention_of
from ..repository.step_events import StepReport
from ..repository.verification import Verification
from ..results import Item
from ..retention import ArchiveState, Facts, Source, stream_of
from ..ssh import fingerprints
from ..transport import BorgResult
from ..untrusted import clean
from .streams import Reading, StreamFailure


@dataclass
class Attempt:
    """An archive that the target may add in one session, of a stream or of its source paths; and how that ended."""

    context: TargetContext
    archive: str
    reading: Reading | None = None
    ended: BorgResult | Failure = field(default_factory=BorgResult)
    sources: tuple[Source, ...] = ()
    began: float = field(default_factory=time.monotonic)
    ended_at: float = field(default_factory=time.monotonic)

    @property
    def stream(self) -> str:
        """Return the name of its stream, "" for the source paths."""
        return self.reading.stream.name if self.reading else ""

    @property
    def paths(self) -> tuple[str, ...]:
        return () if self.reading else source_paths(self.context)

    @property
    def reported(self) -> Archive | None:
        """Return what its borg reported, None when it failed or reported nothing."""
        return read_created(self.ended.stdout) if isinstance(self.ended, BorgResult) else None

    def refusal(self) -> Failure | None:
        """Return why its archive is no backup, if so: a stream failed, a source path is missing, or it has no file."""
        if isinstance(self.ended, Failure):
            return self.ended if isinstance(self.ended, StreamFailure) else None
        if self.reading:
            return self.reading.nothing()
        if self.reported and (lost := self.lost_paths()):
            hint = "let the user of the connection read it, or take it out of SourcePaths"
            return self.context.failure(f"a source path could not be read: {next(iter(lost.values()))}", hint=hint)
        if self.reported and self.reported.files == 0:
            hint = "check SourcePaths and Excludes, and that the user on the target may read them"
            return self.context.failure("the archive holds no file at all", hint=hint)
        return None

    def lost_paths(self) -> dict[str, str]:
        """Return the warning of borg about each source path that vanished, or could not be read."""
        warnings = self.ended.said.warnings if isinstance(self.ended, BorgResult) else []
        texts = [message.text for message in warnings if not is_change(message)]
        found = {path: next((text for text in texts if text.startswith(f"{clean(path)}: ")), "") for path in self.paths}
        return {path: text for path, text in found.items() if text}

    def note(self, refused: Failure | None) -> Note:
        """Return what the ledger keeps of its archive; without a report of its borg it is not judged."""
        if refused:
            lost = self.lost_paths()
            held = tuple(path for path in self.paths if path not in lost)
            return Note(state=ArchiveState.SET_ASIDE, reason=clean(refused.cause), paths=held)
        if self.reported is None:
            return Note(state=ArchiveState.UNJUDGED)
        return Note(state=ArchiveState.GOOD, paths=self.paths)

    def facts(self, added: RepositoryArchive, reported: Archive, *, size_before: int, size_after: int) -> Facts:
        """Return what is known of its archive; the sizes are the repository's, below 0 when unknown."""
        target = self.context.target
        return Facts(
            files=reported.files,
            size=reported.original_size,
            new=max(0, size_after - size_before) if min(size_before, size_after) >= 0 else -1,
            stream=self.stream,
            started=added.seconds,
            seconds=round(self.ended_at - self.began, 1),
            sources=tuple(replace(each, excluded=left_out(each.path, target.excludes)) for each in self.sources),
            keys=frozenset() if self.reading else fingerprints(target.connection.known_host),
        )

    def confirm(self, added: RepositoryArchive | None) -> None:
        """Emit the archive that the controller found, with what the target's borg reports of it. Raises Failure."""
        context, reported = self.context, self.reported
        if added is None:
            hint = "check the borg on that target: it is not the program it should be"
            raise context.failure("its borg claims success, but wrote no archive", hint=hint)
        if reported is None:
            hint = "check the borg on that target: something holds back its output"
            raise context.failure("its borg wrote an archive, but says nothing of what it holds", hint=hint)
        confirmed = replace(reported, name=added.name, archive_id=added.id)
        context.emit(ArchiveCreated(target=context.target.name, stream=self.stream, **vars(confirmed)))


async def judge_attempt(verification: Verification, attempt: Attempt, report: StepReport, *, checking: bool) -> None:
    """Verify what a session left, and record what its archive is worth. `checking` says that a check comes next.

    Raises Failure when the archive is no backup, and TamperedError.
    """
    context, ended, reported = attempt.context, attempt.ended, attempt.reported
    size_before = verification.verified.evidence.used
    verdict = await _verdict(verification, ended)
    evidence = verification.verified.evidence
    if min(size_before, evidence.used) >= 0 and not evidence.beyond:
        # Other targets get what the session did not add; what it left uncommitted still takes its space.
        context.claim.give_back(evidence.used - size_before)
    refused = attempt.refusal()
    added = next((each for each in verdict.added if each.name == attempt.archive), None)
    if added:
        note = attempt.note(refused)
        verification.note(added.id, note)
        if reported and note.state is ArchiveState.GOOD:
            facts = attempt.facts(added, reported, size_before=size_before, size_after=evidence.used)
            await compare(context, verification, added.id, facts, report)
    # Only a good archive of the source paths tells how much there is to read.
    await verification.settle(None if attempt.reading or refused else reported, checking=checking)
    if isinstance(ended, Failure):
        report.detail = "nothing older was touched"
        return
    attempt.confirm(added)
    if refused:
        report.detail = "its archive is set aside"
        raise refused


async def _verdict(verification: Verification, ended: BorgResult | Failure) -> Verdict:
    try:
        return await verification.verify(has_ended=isinstance(ended, BorgResult) and ended.served.status == 0)
    except TamperedError:
        raise
    except Failure:
        # What failed in the session says more than that the verification failed too.
        if isinstance(ended, Failure) and not isinstance(ended, StreamFailure):
            raise ended from None
        raise


def show_reported(context: TargetContext, result: BorgResult) -> None:
    """Emit how much a borg that has ended reports to have read."""
    reported = read_created(result.stdout)
    if reported is not None:
        context.emit(
            ArchiveProgress(
                target=context.target.name,
                original_size=reported.original_size,
                deduplicated_size=reported.deduplicated_size,
                files=reported.files,
            )
        )


def source_paths(context: TargetContext) -> tuple[str, ...]:
    """Return the source paths as borg writes them: normalised (1.2.4, 1.4.5)."""
    return tuple(dict.fromkeys(map(posixpath.normpath, context.target.source_paths)))


async def judge_left(context: TargetContext, verification: Verification) -> None:
    """Judge the archives of runs that died by what is in them: each source path has to hold a file.

    The warnings of their borg are lost: where a path holds no file, the archive stays unjudged.
    """
    for archive in verification.to_judge:
        verification.note(archive.id, await _by_contents(context, archive))


async def _by_contents(context: TargetContext, archive: RepositoryArchive) -> Note:
    paths = () if stream_of(archive.name) else source_paths(context)
    bare = {path.strip("/"): path for path in paths}
    found: set[str] = set()

    async def add(item: Item) -> None:
        if item.kind not in "dl" and item.size:
            above = (name for name in bare if not name or f"{item.path}/".startswith(f"{name}/"))
            found.update(bare[name] for name in above)
            found.add("")

    await each_item(context, archive, (), add)
    held = tuple(path for path in paths if path in found)
    if "" in found and held == paths:
        return Note(state=ArchiveState.GOOD, paths=held)
    reason = "its run ended early, and not each source path has a file"
    return Note(state=ArchiveState.UNJUDGED, reason=reason, paths=held)


async def keep(context: TargetContext, wanted: str) -> str:
    """Count an archive as good that was set aside; return what the next prune will do with it.

    Raises UsageError when there is no such archive or it is not set aside, Failure when the repository is closed.
    """
    name = context.target.name
    known = (await context.store.read_evidence()).ledger
    if known is None or known.phase is Phase.CLOSED:
        why = "its repository is closed" if known else "no run has verified its archives yet"
        raise context.failure(f"{why}: could not keep an archive", hint=command_line("status", "--only", name))
    archive = next((each for each in known.evidence.archives if wanted in (each.name, each.id)), None)
    if archive is None or known.is_good(archive.id):
        why = "no run has verified such an archive" if archive is None else "it counts as good already"
        hint = f"{command_line('list', name)} shows which ones are set aside"
        raise UsageError(f"{context.party}: {clean(wanted)}: {why}", hint=hint)
    if known.note(archive.id).state is ArchiveState.ODD:
        hint = f"{command_line('release', name)} decides about it"
        raise UsageError(f"{context.party}: {clean(wanted)} is odd", hint=hint)
    note = replace(known.note(archive.id), state=ArchiveState.GOOD, reason="")
    kept = replace(known, notes={**known.notes, archive.id: note})
    await context.store.write(kept)
    await context.remember(Entry(what="keep", cause=f"the archive {clean(archive.name)} counts as good"))
    decided = retention_of(context.config, context.target, kept, now=time.time()).decisions
    decision = next(each for each in decided if each.archive.id == archive.id)
    action = "keeps" if decision.kept else "removes"
    return f"{clean(archive.name)} counts as good; the next prune {action} it: {decision.rule}"
