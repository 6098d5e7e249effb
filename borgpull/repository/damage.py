"""What a power cut or a failing disk leaves of a repository: named as what it is, before any borg opens it.

A borg that opens it goes back to an older state, or fails with words that name nothing.
"""

from __future__ import annotations

from .. import guard
from ..borg.hints import COMMITTED, is_integrity, read_hints
from ..errors import BACKUP_SERVER, Failure
from ..guard import Unreadable
from ..ledger import Found


def damage_of(found: Found) -> str:
    """Return which of borg's own records is damaged, "" when none is, or there is no repository."""
    if not found.files:
        return ""
    try:
        records = guard.read_records(found.files, read_hints=read_hints, segments=found.segments)
    except Unreadable as error:
        return str(error)
    number = records.transaction
    integrity, last = found.files.get(f"integrity.{number}"), found.files.get(f"last.{number}")
    if integrity and not is_integrity(integrity.data):
        return f"integrity.{number} is empty or cut off"
    # Where a crash left more segments, borg finds its last commit there.
    if last and not records.beyond and len(last.data) <= len(COMMITTED) and last.data != COMMITTED:
        return f"the segment with its last commit ({number}) is gone or cut off"
    return ""


def damaged(name: str, what: str) -> Failure:
    """Say that the repository of the target `name`, which was verified before, is damaged on B."""
    return Failure(
        BACKUP_SERVER,
        f"a repository is damaged, as a power cut or a failing disk does it: {what}",
        hint=f"nothing was changed. `borgpull rollback {name}` puts the last verified state back, and proves it",
    )
