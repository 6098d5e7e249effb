"""What C itself may have changed when it was interrupted: prune takes archives away, compact moves objects.

T has no session then, so the law on objects says nothing here; but nothing may have come, and nothing been replaced.
"""

from __future__ import annotations

from .evidence import Evidence
from .verdict import State, Verdict, identity, named


def judge_own(before: Evidence, after: Evidence) -> Verdict:
    """Judge what lies there after C was interrupted while it pruned or compacted."""
    came = sorted(archive.name for archive in after.archives - before.archives)
    rules = tuple(identity(before, after))
    if came:
        rules = (*rules, f"archives came or were changed while only C was at work: {named(came)}")
    if after.missing:
        rules = (*rules, f"{len(after.missing)} segment files are gone from B")
    return Verdict(state=State.TAMPERED if rules else State.CLEAN, rules=rules)
