"""The repository key, encrypted as it is, from the ledger: what was verified, not what lies in the repository now."""

from __future__ import annotations

import re
import secrets

from .. import guard, ledger
from ..borg import command as borg_command
from ..borg.hints import read_hints
from ..errors import CONTROLLER, Failure
from ..events import Step
from ..guard import Evidence
from .plan import Subject

# Base64 in lines: what a key is printed as must move no cursor, and T may have written it before C ever saw it.
_KEY = re.compile(r"[A-Za-z0-9+/=\n]+")


async def file_key(subject: Subject) -> str:
    """Return the verified key in the form that `borg key import` reads. Raises Failure when none was verified."""
    evidence = await _verified(subject)
    if not _KEY.fullmatch(evidence.key):
        raise Failure(
            subject.party,
            "its repository keeps no key of the form that borg writes",
            hint="look at `config` in its folder on B",
        )
    # The same text as `borg key export` writes (1.2.4, 1.4.5).
    return f"BORG_KEY {evidence.repository_id}\n{evidence.key}\n"


async def paper_key(subject: Subject) -> str:
    """Return the verified key in the paper form, which borg alone can write, from the repository itself.

    Raises Failure when the key there is not the verified one any more.
    """
    evidence = await _verified(subject)
    path = subject.plan.server.directory / f"k{secrets.token_hex(8)}"
    try:
        ended = await subject.borg(Step.INSPECT, borg_command.export_key(str(path), paper=True))
        if ended.status != 0:
            raise ended.failure(CONTROLLER, "key export")
        text = path.read_text(encoding="utf-8")
    finally:
        path.unlink(missing_ok=True)
    found = await ledger.look(subject.plan.server.master, subject.place)
    records = guard.read_records(found.tar, read_hints=read_hints)
    if records.key != evidence.key:
        raise Failure(
            subject.party,
            "the key in its repository is not the verified one any more",
            hint=f"export the verified one without --paper, and see `borgpull rollback {subject.target.name}`",
        )
    return text


async def _verified(subject: Subject) -> Evidence:
    found = await ledger.look(subject.plan.server.master, subject.place)
    if found.ledger is None:
        raise Failure(
            subject.party,
            f"no key of its repository was verified yet{': ' + found.unreadable if found.unreadable else ''}",
            hint="let a run finish first",
        )
    return found.ledger.evidence
