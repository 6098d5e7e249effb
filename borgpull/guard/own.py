"""What C itself changes: when it was interrupted in a prune or a compact, and by a borg of the operator's own.

T has no session then, so the law on objects says nothing here. But of what prune and compact do nothing may have come,
and nothing been replaced.
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


def own_changes(before: Evidence, after: Evidence) -> tuple[str, ...]:
    """Return in words what a borg of the operator's changed; objects that a compact has moved are the same objects."""
    gone = {archive.name for archive in before.archives - after.archives}
    came = {archive.name for archive in after.archives - before.archives}
    archives = {"archives gone": gone - came, "archives that came": came - gone, "archives replaced": gone & came}
    said = [f"{what}: {named(sorted(names))}" for what, names in archives.items() if names]
    was, is_ = sum(before.live.values()), sum(after.live.values())
    if was != is_:
        said.append(f"objects: {is_}, {was} before")
    return (*identity(before, after), *said)
