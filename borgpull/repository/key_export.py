"""The repository key, encrypted as it is, from the ledger: what was verified, not what lies in the repository now."""

from __future__ import annotations

import re

from .. import guard
from ..borg.hints import read_hints
from ..guard import Evidence
from .context import TargetContext
from .verification import exported_key

# Base64 in lines: what a key is printed as must move no cursor, and T may have written it before C ever saw it.
_KEY = re.compile(r"[A-Za-z0-9+/=\n]+")


async def file_key(context: TargetContext) -> str:
    """Return the verified key in the form that `borg key import` reads. Raises Failure when none was verified."""
    evidence = await _verified(context)
    if not _KEY.fullmatch(evidence.key):
        raise context.failure(
            "its repository keeps no key of the form that borg writes", hint="look at `config` in its folder on B"
        )
    # The same text as `borg key export` writes (1.2.4, 1.4.5).
    return f"BORG_KEY {evidence.repository_id}\n{evidence.key}\n"


async def paper_key(context: TargetContext) -> str:
    """Return the verified key in the paper form, which borg alone can write, from the repository itself.

    Raises Failure when the key there is not the verified one any more.
    """
    evidence = await _verified(context)
    text = await exported_key(context, paper=True)
    if await _present_key(context) != evidence.key:
        raise context.failure(
            "the key in its repository is not the verified one any more",
            hint=f"export the verified one without --paper, and see `borgpull rollback {context.target.name}`",
        )
    return text.decode()


async def _present_key(context: TargetContext) -> str:
    if not context.vault.records:
        return (await exported_key(context)).decode("ascii", "replace").partition("\n")[2].rstrip("\n")
    return guard.read_records((await context.vault.read_evidence()).files, read_hints=read_hints).key


async def _verified(context: TargetContext) -> Evidence:
    found = await context.vault.read_evidence()
    if found.ledger is None:
        raise context.failure(
            f"no key of its repository was verified yet{': ' + found.unreadable if found.unreadable else ''}",
            hint="let a run finish first",
        )
    return found.ledger.evidence
