"""What C can see of a repository: the archives and B's own records, or archives and key where B gives no shell."""

from __future__ import annotations

import secrets

from .. import guard
from ..borg import command as borg_command
from ..borg.failure import MISSING_REPOSITORY
from ..borg.hints import read_hints
from ..errors import CONTROLLER
from ..events import Step
from ..guard import Evidence
from ..ledger import Found
from ..road import Ended
from .plan import Subject


async def evidence_of(subject: Subject, listed: Ended, found: Found) -> Evidence:
    """Make evidence of what `borg list` printed, and of what was found on B after it.

    Raises Unreadable when it is none, Failure when the key cannot be exported.
    """
    if subject.vault.records:
        return guard.read_evidence(
            files=found.files, archives=listed.stdout, read_hints=read_hints, segments=found.segments
        )
    return guard.read_listed(archives=listed.stdout, key=await exported_key(subject))


def is_there(subject: Subject, listed: Ended, found: Found) -> bool:
    """Tell whether there is a repository: as B's file system says, or as borg does where that cannot be seen."""
    return found.repository if subject.vault.records else MISSING_REPOSITORY not in listed.said.kinds()


async def exported_key(subject: Subject, *, paper: bool = False) -> bytes:
    """Return what `borg key export` writes of the repository's key, as it lies there. Raises Failure."""
    path = subject.plan.server.directory / f"k{secrets.token_hex(8)}"
    try:
        ended = await subject.borg(Step.INSPECT, borg_command.export_key(str(path), paper=paper))
        if ended.status != 0:
            raise ended.failure(CONTROLLER, "key export")
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
