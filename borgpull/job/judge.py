"""What an archive is worth: what T's borg claims of it, held against what C found, and what the ledger keeps of it."""

from __future__ import annotations

import posixpath
from dataclasses import replace

from ..answers import Item
from ..borg import series
from ..borg.output import Archive, is_change, read_created
from ..errors import Failure, UsageError
from ..events import ArchiveCreated, ArchiveProgress
from ..guard import Archive as RepositoryArchive
from ..guard import Verdict
from ..hostile import clean
from ..ledger import Entry, Note, Phase
from ..retention import Standing
from ..road import Ended
from .archives import each_item
from .custody import Custody
from .plan import Subject
from .upkeep import retention_of


def show_claim(subject: Subject, ended: Ended) -> None:
    """Tell how much a borg that has ended says that it read."""
    claimed = read_created(ended.stdout)
    if claimed is not None:
        subject.plan.emit(
            ArchiveProgress(
                target=subject.target.name,
                original_size=claimed.original_size,
                deduplicated_size=claimed.deduplicated_size,
                files=claimed.files,
            )
        )


def believe(subject: Subject, claimed: Archive | None, verdict: Verdict, *, name: str, stream: str = "") -> None:
    """Tell of the archive `name`, which C found, and of what T's borg says of it. Raises Failure without either."""
    written = next((archive for archive in verdict.added if archive.name == name), None)
    if written is None:
        raise subject.failure(
            "its borg claims success, but wrote no archive",
            hint="look at the borg on that target: it is not the program it should be",
        )
    if claimed is None:
        raise subject.failure(
            "its borg wrote an archive but says nothing of what it holds",
            hint="look at the borg on that target: something keeps back what it prints",
        )
    subject.plan.emit(
        ArchiveCreated(
            target=subject.target.name,
            name=written.name,
            archive_id=written.id,
            original_size=claimed.original_size,
            deduplicated_size=claimed.deduplicated_size,
            files=claimed.files,
            stream=stream,
        )
    )


def refusal(subject: Subject, ended: Ended, claimed: Archive) -> Failure | None:
    """Return why an archive of the source paths is no backup: it lacks a whole source path, or has no file."""
    if lost := _lost_paths(subject, ended):
        return subject.failure(
            f"a source path could not be read: {next(iter(lost.values()))}",
            hint="let the user of the connection read it, or take it out of SourcePaths",
        )
    if claimed.files == 0:
        return subject.failure(
            "the archive holds no file at all",
            hint="check SourcePaths and Excludes, and that the user on T may read them",
        )
    return None


def note_of(
    subject: Subject, ended: Ended | Failure, claimed: Archive | None, refused: Failure | None, *, stream: bool
) -> Note:
    """Return what the ledger is to keep of an archive of this run; one of which T's borg says nothing is not judged."""
    if refused is not None:
        lost = _lost_paths(subject, ended) if isinstance(ended, Ended) and not stream else {}
        held = () if stream else tuple(path for path in source_paths(subject) if path not in lost)
        return Note(state=Standing.SET_ASIDE, reason=clean(refused.cause), paths=held)
    if not isinstance(ended, Ended) or claimed is None:
        return Note(state=Standing.UNJUDGED)
    return Note(state=Standing.GOOD, paths=() if stream else source_paths(subject))


def source_paths(subject: Subject) -> tuple[str, ...]:
    """Return the source paths as borg spells them: normalised (1.2.4, 1.4.5)."""
    return tuple(dict.fromkeys(map(posixpath.normpath, subject.target.source_paths)))


def _lost_paths(subject: Subject, ended: Ended) -> dict[str, str]:
    """Return what borg said of each source path that vanished or was closed after our look: it only warns of that."""
    said = [message.text for message in ended.said.warnings if not is_change(message)]
    lost = {}
    for path in source_paths(subject):
        if told := next((text for text in said if text.startswith(f"{clean(path)}: ")), ""):
            lost[path] = told
    return lost


async def judge_left(subject: Subject, custody: Custody) -> None:
    """Judge the archives that runs left which died: by what is in them, each source path has to hold a file.

    What its borg warned of nobody knows any more: where a path holds none, an archive stays unjudged.
    """
    for archive in custody.to_judge:
        custody.note(archive.id, await _by_contents(subject, archive))


async def _by_contents(subject: Subject, archive: RepositoryArchive) -> Note:
    paths = () if series.stream_of(archive.name) else source_paths(subject)
    bare = {path.strip("/"): path for path in paths}
    found: set[str] = set()

    async def take(item: Item) -> None:
        if item.kind not in "dl" and item.size:
            place = item.path
            found.update(bare[name] for name in bare if not name or place == name or place.startswith(f"{name}/"))
            found.add("")

    await each_item(subject, archive, (), take)
    whole = found.issuperset(paths) and "" in found
    held = tuple(path for path in paths if path in found)
    if whole:
        return Note(state=Standing.GOOD, paths=held)
    return Note(state=Standing.UNJUDGED, reason="its run ended early, and not each source path has a file", paths=held)


async def keep(subject: Subject, wanted: str) -> str:
    """Take the mark of an archive away, so that it counts as good; return what the next run would make of it.

    Raises UsageError when there is no such archive or no mark, Failure when the repository is closed.
    """
    found = await subject.vault.look()
    known = found.ledger
    if known is None or known.phase is Phase.CLOSED:
        why = "its repository is closed" if known else "no run has verified its archives yet"
        raise subject.failure(
            f"{why}: no archive of it can be kept", hint=f"`borgpull status --only {subject.target.name}`"
        )
    archive = next((each for each in known.evidence.archives if wanted in (each.name, each.id)), None)
    if archive is None or known.is_good(archive.id):
        why = "no run has verified such an archive" if archive is None else "it counts as good already"
        hint = f"`borgpull list {subject.target.name}` shows which ones are set aside"
        raise UsageError(f"{subject.party}: {clean(wanted)}: {why}", hint=hint)
    if known.note(archive.id).state is Standing.ODD:
        name = subject.target.name
        raise UsageError(f"{subject.party}: {clean(wanted)} is odd", hint=f"`borgpull release {name}` decides about it")
    note = replace(known.note(archive.id), state=Standing.GOOD, reason="")
    kept = replace(known, notes={**known.notes, archive.id: note})
    await subject.vault.write(kept)
    await subject.remember(Entry(what="keep", cause=f"the archive {clean(archive.name)} counts as good"))
    decision = next(each for each in retention_of(subject, kept).decisions if each.archive.id == archive.id)
    then = "keeps" if decision.kept else "removes"
    return f"{clean(archive.name)} counts as good; the next run {then} it: {decision.rule}"
