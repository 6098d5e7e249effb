"""What the controller can learn about a repository: whether it is there, its evidence, its damage, and its key.

A power cut or a failing disk leaves damage that is named before any borg opens the repository: borg would go back to an
older state, or fail with words that name nothing. A key is exported encrypted as it is, and from the ledger: what was
verified, not what lies in the repository now.
"""

from __future__ import annotations

import re
import secrets

from .. import guard
from ..borg import command_lines as borg_command
from ..borg.failure import MISSING_REPOSITORY
from ..errors import CONTROLLER, command_line
from ..events import Step
from ..guard import Evidence, Unreadable
from ..guard.hints import COMMITTED, is_integrity
from ..ledger import Found
from ..transport import BorgResult
from .context import TargetContext

# Base64 in lines: a key that is printed must move no cursor, and the target may have written it before the first run.
_KEY = re.compile(r"[A-Za-z0-9+/=\n]+")


def is_there(context: TargetContext, listed: BorgResult, found: Found) -> bool:
    """Tell whether there is a repository: by the backup server's file system, or by borg where that is not visible."""
    return found.repository if context.store.shows_records else MISSING_REPOSITORY not in listed.said.kinds()


async def evidence_of(context: TargetContext, listed: BorgResult, found: Found) -> Evidence:
    """Make evidence of what `borg list` printed, and of what was found on the backup server after it.

    Raises Unreadable when it is none, Failure when the key cannot be exported.
    """
    if context.store.shows_records:
        return guard.read_evidence(files=found.files, archives=listed.stdout, segments=found.segments)
    return guard.read_listed(archives=listed.stdout, key=await _export(context))


def is_unchanged(found: Found, evidence: Evidence) -> bool:
    """Tell whether Borg's records are still those of the evidence; where they cannot be read, they never are."""
    try:
        return guard.still_holds(evidence, found.records)
    except Unreadable:
        return False


def damage_of(found: Found) -> str:
    """Return which of Borg's own records is damaged, "" when none is, or there is no repository."""
    if not found.files:
        return ""
    try:
        records = found.records
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


async def verified_key(context: TargetContext, *, paper: bool) -> str:
    """Return the verified key as `borg key import` reads it, or in the paper form, which borg alone can write.

    Raises Failure when none was verified, or when the paper form would be of another key.
    """
    found = await context.store.read_evidence()
    if found.ledger is None:
        why = f": {found.unreadable}" if found.unreadable else ""
        raise context.failure(f"no key of its repository was verified yet{why}", hint="let a run finish first")
    evidence = found.ledger.evidence
    if not paper:
        if not _KEY.fullmatch(evidence.key):
            raise context.failure(
                "its repository has no key of the form that borg writes",
                hint="check `config` in the folder of the repository on the backup server",
            )
        # The same text as `borg key export` writes (1.2.4, 1.4.5).
        return f"BORG_KEY {evidence.repository_id}\n{evidence.key}\n"
    text = await _export(context, paper=True)
    if context.store.shows_records:
        present = (await context.store.read_evidence()).records.key
    else:
        present = (await _export(context)).decode("ascii", "replace").partition("\n")[2].rstrip("\n")
    if present != evidence.key:
        raise context.failure(
            "the key in its repository is no longer the verified one",
            hint=f"export the verified one without --paper, and see {command_line('rollback', context.target.name)}",
        )
    return text.decode()


async def _export(context: TargetContext, *, paper: bool = False) -> bytes:
    """Return what `borg key export` writes of the key that lies in the repository now. Raises Failure."""
    path = context.server.directory / f"k{secrets.token_hex(8)}"
    try:
        export = borg_command.export_key(str(path), paper=paper)
        (await context.borg(Step.INSPECT, export)).or_raise(CONTROLLER, "key export")
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
