"""What an archive is worth: what the target's borg reports of it, against what the controller finds."""

from __future__ import annotations

import posixpath
import time
from dataclasses import dataclass, field, replace

from ..borg import archive_names
from ..borg.command import left_out
from ..borg.output import Archive, is_change, read_created
from ..errors import Failure, TamperedError, UsageError
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
from ..retention import ArchiveState, Facts, Source
from ..ssh import fingerprints
from ..transport import BorgResult
from ..untrusted import clean
from .streams import Reading, StreamFailure


@dataclass
class Attempt:
    """An archive that the target may add in one session, of a stream or of its source paths; and how that ended."""

    archive: str
    reading: Reading | None = None
    ended: BorgResult | Failure = field(default_factory=BorgResult)
    sources: tuple[Source, ...] = ()
    began: float = field(default_factory=time.monotonic)
    ended_at: float = field(default_factory=time.monotonic)

    @property
    def reported(self) -> Archive | None:
        """Return what its borg reported, None when it failed or reported nothing."""
        return read_created(self.ended.stdout) if isinstance(self.ended, BorgResult) else None

    def refusal(self, context: TargetContext) -> Failure | None:
        """Return why its archive is no backup, if it is none."""
        if isinstance(self.ended, StreamFailure):
            return self.ended
        if isinstance(self.ended, Failure):
            return None
        if self.reading:
            return self.reading.nothing()
        return refusal(context, self.ended, self.reported) if self.reported else None


async def judge_attempt(
    context: TargetContext, verification: Verification, attempt: Attempt, report: StepReport, *, checking: bool
) -> None:
    """Verify what a session left, and write down what its archive is worth. `checking` says that a check comes next.

    Raises Failure when the archive is no backup, and TamperedError.
    """
    ended, reported, used = attempt.ended, attempt.reported, verification.verified.evidence.used
    verdict = await _verdict(verification, ended)
    _give_back(context, verification, used)
    refused = attempt.refusal(context)
    added = next((each for each in verdict.added if each.name == attempt.archive), None)
    if added:
        note = note_of(context, ended, reported, refused, stream=attempt.reading is not None)
        verification.note(added.id, note)
        if reported and note.state is ArchiveState.GOOD:
            facts = _facts(context, attempt, added, reported, used=(used, verification.verified.evidence.used))
            await compare(context, verification, added.id, facts, report)
    # How much there is to read is said by the good archives of the source paths alone.
    await verification.settle(None if attempt.reading or refused else reported, checking=checking)
    if isinstance(ended, Failure):
        report.detail = "nothing older was touched"
        return
    stream = attempt.reading.stream.name if attempt.reading else ""
    confirm_archive(context, reported, verdict, name=attempt.archive, stream=stream)
    if refused:
        report.detail = "its archive is set aside"
        raise refused


async def _verdict(verification: Verification, ended: BorgResult | Failure) -> Verdict:
    try:
        return await verification.verify()
    except TamperedError:
        raise
    except Failure:
        # What already went wrong says more than that the look at it failed too.
        if isinstance(ended, Failure) and not isinstance(ended, StreamFailure):
            raise ended from None
        raise


def _give_back(context: TargetContext, verification: Verification, used: int) -> None:
    """Let others have what the session did not add; what it left uncommitted takes its space still."""
    now = verification.verified.evidence
    if used >= 0 and now.used >= 0 and not now.beyond:
        context.claim.settle(now.used - used)


def _facts(
    context: TargetContext, attempt: Attempt, added: RepositoryArchive, reported: Archive, *, used: tuple[int, int]
) -> Facts:
    """Return what is known of an archive that a session added; `used` are the repository's bytes before and after."""
    before, after = used
    is_stream = attempt.reading is not None
    excludes = context.target.excludes
    return Facts(
        files=reported.files,
        size=reported.original_size,
        new=max(0, after - before) if before >= 0 and after >= 0 else -1,
        stream=attempt.reading.stream.name if attempt.reading else "",
        started=added.seconds,
        seconds=round(attempt.ended_at - attempt.began, 1),
        sources=tuple(replace(each, excluded=left_out(each.path, excludes)) for each in attempt.sources),
        keys=frozenset() if is_stream else fingerprints(context.target.connection.known_host),
    )


def show_reported(context: TargetContext, ended: BorgResult) -> None:
    """Tell how much a borg that has ended says that it read."""
    reported = read_created(ended.stdout)
    if reported is not None:
        context.emit(
            ArchiveProgress(
                target=context.target.name,
                original_size=reported.original_size,
                deduplicated_size=reported.deduplicated_size,
                files=reported.files,
            )
        )


def confirm_archive(
    context: TargetContext, reported: Archive | None, verdict: Verdict, *, name: str, stream: str = ""
) -> None:
    """Tell of the archive `name`, which C found, and of what T's borg says of it. Raises Failure without either."""
    written = next((archive for archive in verdict.added if archive.name == name), None)
    if written is None:
        raise context.failure(
            "its borg claims success, but wrote no archive",
            hint="look at the borg on that target: it is not the program it should be",
        )
    if reported is None:
        raise context.failure(
            "its borg wrote an archive but says nothing of what it holds",
            hint="look at the borg on that target: something keeps back what it prints",
        )
    context.emit(
        ArchiveCreated(
            target=context.target.name,
            name=written.name,
            archive_id=written.id,
            original_size=reported.original_size,
            deduplicated_size=reported.deduplicated_size,
            files=reported.files,
            stream=stream,
        )
    )


def refusal(context: TargetContext, ended: BorgResult, reported: Archive) -> Failure | None:
    """Return why an archive of the source paths is no backup: it lacks a whole source path, or has no file."""
    if lost := _lost_paths(context, ended):
        return context.failure(
            f"a source path could not be read: {next(iter(lost.values()))}",
            hint="let the user of the connection read it, or take it out of SourcePaths",
        )
    if reported.files == 0:
        return context.failure(
            "the archive holds no file at all",
            hint="check SourcePaths and Excludes, and that the user on T may read them",
        )
    return None


def note_of(
    context: TargetContext,
    ended: BorgResult | Failure,
    reported: Archive | None,
    refused: Failure | None,
    *,
    stream: bool,
) -> Note:
    """Return what the ledger is to keep of an archive of this run; one of which T's borg says nothing is not judged."""
    if refused is not None:
        lost = _lost_paths(context, ended) if isinstance(ended, BorgResult) and not stream else {}
        held = () if stream else tuple(path for path in source_paths(context) if path not in lost)
        return Note(state=ArchiveState.SET_ASIDE, reason=clean(refused.cause), paths=held)
    if not isinstance(ended, BorgResult) or reported is None:
        return Note(state=ArchiveState.UNJUDGED)
    return Note(state=ArchiveState.GOOD, paths=() if stream else source_paths(context))


def source_paths(context: TargetContext) -> tuple[str, ...]:
    """Return the source paths as borg spells them: normalised (1.2.4, 1.4.5)."""
    return tuple(dict.fromkeys(map(posixpath.normpath, context.target.source_paths)))


def _lost_paths(context: TargetContext, ended: BorgResult) -> dict[str, str]:
    """Return what borg said of each source path that vanished or was closed after our look: it only warns of that."""
    said = [message.text for message in ended.said.warnings if not is_change(message)]
    lost = {}
    for path in source_paths(context):
        if told := next((text for text in said if text.startswith(f"{clean(path)}: ")), ""):
            lost[path] = told
    return lost


async def judge_left(context: TargetContext, verification: Verification) -> None:
    """Judge the archives that runs left which died: by what is in them, each source path has to hold a file.

    What its borg warned of nobody knows any more: where a path holds none, an archive stays unjudged.
    """
    for archive in verification.to_judge:
        verification.note(archive.id, await _by_contents(context, archive))


async def _by_contents(context: TargetContext, archive: RepositoryArchive) -> Note:
    paths = () if archive_names.stream_of(archive.name) else source_paths(context)
    bare = {path.strip("/"): path for path in paths}
    found: set[str] = set()

    async def take(item: Item) -> None:
        if item.kind not in "dl" and item.size:
            place = item.path
            found.update(bare[name] for name in bare if not name or place == name or place.startswith(f"{name}/"))
            found.add("")

    await each_item(context, archive, (), take)
    whole = found.issuperset(paths) and "" in found
    held = tuple(path for path in paths if path in found)
    if whole:
        return Note(state=ArchiveState.GOOD, paths=held)
    return Note(
        state=ArchiveState.UNJUDGED, reason="its run ended early, and not each source path has a file", paths=held
    )


async def keep(context: TargetContext, wanted: str) -> str:
    """Take the mark of an archive away, so that it counts as good; return what the next run would make of it.

    Raises UsageError when there is no such archive or no mark, Failure when the repository is closed.
    """
    found = await context.vault.look()
    known = found.ledger
    if known is None or known.phase is Phase.CLOSED:
        why = "its repository is closed" if known else "no run has verified its archives yet"
        raise context.failure(
            f"{why}: no archive of it can be kept", hint=f"`borgpull status --only {context.target.name}`"
        )
    archive = next((each for each in known.evidence.archives if wanted in (each.name, each.id)), None)
    if archive is None or known.is_good(archive.id):
        why = "no run has verified such an archive" if archive is None else "it counts as good already"
        hint = f"`borgpull list {context.target.name}` shows which ones are set aside"
        raise UsageError(f"{context.party}: {clean(wanted)}: {why}", hint=hint)
    if known.note(archive.id).state is ArchiveState.ODD:
        name = context.target.name
        raise UsageError(f"{context.party}: {clean(wanted)} is odd", hint=f"`borgpull release {name}` decides about it")
    note = replace(known.note(archive.id), state=ArchiveState.GOOD, reason="")
    kept = replace(known, notes={**known.notes, archive.id: note})
    await context.vault.write(kept)
    await context.remember(Entry(what="keep", cause=f"the archive {clean(archive.name)} counts as good"))
    decision = next(each for each in retention_of(context, kept).decisions if each.archive.id == archive.id)
    then = "keeps" if decision.kept else "removes"
    return f"{clean(archive.name)} counts as good; the next run {then} it: {decision.rule}"
