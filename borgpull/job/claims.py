"""What T's borg claims of the archive that it made, held against what C found in the repository."""

from __future__ import annotations

from ..borg.output import Archive, read_created
from ..errors import Failure
from ..events import ArchiveCreated, ArchiveProgress
from ..guard import Verdict
from ..hostile import clean
from ..road import Ended
from .plan import Subject


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


def believe(subject: Subject, claimed: Archive | None, verdict: Verdict, *, name: str, stream: str = "") -> Archive:
    """Tell of the archive `name`, which C found; return what T's borg says of it. Raises Failure without either."""
    written = next((archive for archive in verdict.added if archive.name == name), None)
    if written is None:
        raise Failure(
            subject.party,
            "its borg claims success, but wrote no archive",
            hint="look at the borg on that target: it is not the program it should be",
        )
    if claimed is None:
        raise Failure(
            subject.party,
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
    return claimed


def refuse_missing_files(subject: Subject, ended: Ended, claimed: Archive) -> None:
    """Raise Failure when an archive of files lacks a whole source path, or has no file."""
    # A path that vanished or was closed between our look and borg's: borg itself only warns.
    for path in subject.target.source_paths:
        lost = [m.text for m in ended.said.warnings if m.text.startswith(f"{clean(path)}: ")]
        if lost and "changed while" not in lost[0]:
            raise Failure(
                subject.party,
                f"a source path could not be read: {lost[0]}",
                hint="let the user of the connection read it, or take it out of SourcePaths",
            )
    if claimed.files == 0:
        raise Failure(
            subject.party,
            "the archive holds no file at all",
            hint="check SourcePaths and Excludes, and that the user on T may read them",
        )
