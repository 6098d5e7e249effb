"""The law of an honest session, and the verdict on one. Pure: two pieces of evidence in, a verdict out.

The law was seen to hold on Borg 1.2.4 and 1.4.5, client and serve mixed, for the sessions that tests/guard replays:
- Each segment's live count is stored at the commit. put() on a known id deletes the old object first and writes to a
  new segment, so no older count ever rises, and each older object deleted or overwritten lowers one by exactly one.
- However many commits a session makes (checkpoints), the old manifest falls once; its successors lie in new segments.
- `borg list` prints times cut down to whole seconds (a microsecond field of zeros), so that the manifest may have been
  rewritten though last_modified is the same. It was if that or the archives differ, and no honest create rewrites it
  otherwise. A dishonest one that hides it so is short of the one object it would be allowed.
- Manifest.write lets the timestamp only grow, by a microsecond at the least.
- Append-only serve never compacts, so that no older segment goes away.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ..errors import first_few
from ..untrusted import clean
from .evidence import Archive, Evidence
from .records import Records, nonce_fell


class State(StrEnum):
    """What can be said of a session."""

    CLEAN = "clean"
    TAMPERED = "tampered"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the controller asked for: an archive of this name, between these times (unix seconds by its clock).

    `skew` is how far the target's clock may be off, in seconds.
    """

    archive_name: str
    started: float
    ended: float
    skew: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The state; every broken rule, or why there is no verdict, in clean text; the archives asked for that came.

    `added` is empty when nothing was written, whatever the target claims; a name ending in `.checkpoint` is half an
    archive.
    """

    state: State
    rules: tuple[str, ...] = ()
    added: tuple[Archive, ...] = ()


def judge(before: Evidence, after: Evidence, expected: Expected | None) -> Verdict:
    """Judge a target's session by the law; without `expected` nobody should have written anything in between."""
    added = _added(before, after, expected)
    tampered = (
        *_identity(before, after),
        *_archives(before, after, expected, added),
        *_manifest(before, after, expected),
        *_objects(before, after, allowed=_rewritten(before, after)),
        *_segments_gone(set(after.missing).difference(before.missing)),
    )
    if tampered:
        return Verdict(state=State.TAMPERED, rules=tampered, added=added)
    doubts = _doubts(before, after)
    return Verdict(state=State.UNVERIFIABLE if doubts else State.CLEAN, rules=doubts, added=added)


def judge_unlisted(before: Evidence, after: Records, *, why: str, maintenance: bool) -> Verdict:
    """Judge by the records alone where `borg list` failed, as it does after a key was replaced; `why` says how.

    Never clean: which archives there are remains unknown. `why` may be untrusted text. With `maintenance` it was the
    controller that deleted and compacted: the law on objects says nothing then.
    """
    objects = () if maintenance else _objects(before, after, allowed=1)
    lost = _segments_gone(set(after.missing).difference(before.missing))
    tampered = (*_identity(before, after), *objects, *lost)
    if tampered:
        return Verdict(state=State.TAMPERED, rules=(*tampered, f"the archives cannot be listed: {clean(why)}"))
    return unverifiable(f"the archives cannot be listed: {why}")


def unverifiable(why: str) -> Verdict:
    """Return the verdict where there is no evidence; `why` may be untrusted text."""
    return Verdict(state=State.UNVERIFIABLE, rules=(clean(why),))


def judge_maintenance(before: Evidence, after: Evidence, *, intent: Collection[str] | None) -> Verdict:
    """Judge what lies there after the controller deleted archives or compacted, or was interrupted in it.

    The target has no session then, so the law on objects says nothing. But nothing may have come or been replaced, and
    only archives whose ids are in `intent` may be gone; None where the ledger does not say which.
    """
    came = sorted(archive.name for archive in after.archives - before.archives)
    known = {archive.name for archive in after.archives}
    gone = [archive for archive in before.archives - after.archives if archive.name not in known]
    lost = sorted(archive.name for archive in gone if intent is not None and archive.id not in intent)
    rules = _identity(before, after)
    if came:
        rules.append(f"archives came or were changed while only the controller was at work: {_named(came)}")
    if lost:
        rules.append(f"archives are gone that the controller did not delete: {_named(lost)}")
    rules += _segments_gone(after.missing)
    return Verdict(state=State.TAMPERED if rules else State.CLEAN, rules=tuple(rules))


def operator_changes(before: Evidence, after: Evidence) -> tuple[str, ...]:
    """Return in words what an operator's borg changed; objects that a compaction moved are the same objects."""
    gone = {archive.name for archive in before.archives - after.archives}
    came = {archive.name for archive in after.archives - before.archives}
    archives = {"archives gone": gone - came, "archives that came": came - gone, "archives replaced": gone & came}
    said = [f"{what}: {_named(sorted(names))}" for what, names in archives.items() if names]
    was, is_ = sum(before.live.values()), sum(after.live.values())
    if was != is_:
        said.append(f"objects: {is_}, {was} before")
    return (*_identity(before, after), *said)


def _identity(before: Records, after: Records) -> list[str]:
    """Return in words what makes this another repository than before: its id, its key, its settings, its past."""
    broken = []
    if before.repository_id != after.repository_id:
        broken.append("another repository lies in its place: its id is a different one")
    if before.key != after.key:
        broken.append("the repository key was replaced" if after.key else "the repository key was removed")
    moved = sorted({key for key, _ in set(before.settings) ^ set(after.settings)})
    if moved:
        broken.append(f"settings of the repository were changed: {_named(moved)}")
    if after.transaction < before.transaction:
        broken.append(f"the repository went back from transaction {before.transaction} to {after.transaction}")
    if nonce_fell(before, after):
        broken.append("the nonce was lowered: what is encrypted from now on could be read by comparing it with the old")
    return broken


def _added(before: Evidence, after: Evidence, expected: Expected | None) -> tuple[Archive, ...]:
    if expected is None:
        return ()
    asked = re.compile(re.escape(expected.archive_name) + r"(\.checkpoint(\.[0-9]+)?)?", re.ASCII)
    known = {archive.name for archive in before.archives}
    new = sorted(after.archives - before.archives)
    return tuple(archive for archive in new if archive.name not in known and asked.fullmatch(archive.name))


def _archives(before: Evidence, after: Evidence, expected: Expected | None, added: tuple[Archive, ...]) -> list[str]:
    gone = {archive.name: archive for archive in before.archives - after.archives}
    new = {archive.name: archive for archive in after.archives - before.archives}
    same = sorted(gone.keys() & new.keys())
    replaced = [name for name in same if gone[name].id != new[name].id]
    redated = [name for name in same if gone[name].start != new[name].start]
    asked, unasked = {archive.name for archive in added}, "came that the controller did not ask for"
    broken = [
        _about(sorted(gone.keys() - new.keys()), "archive vanished", "archives vanished"),
        _about(replaced, "archive was replaced by another of its name", "archives were replaced by others of the name"),
        _about(redated, "archive's time was changed", "archives' times were changed"),
        _about(sorted(new.keys() - gone.keys() - asked), f"archive {unasked}", f"archives {unasked}"),
    ]
    if len(added) > 1:
        broken.append(
            f"{len(added)} archives came where the controller asked for one: {_named([a.name for a in added])}"
        )
    if expected is not None:
        broken += [_misdated(archive, expected) for archive in added]
    return [rule for rule in broken if rule]


def _manifest(before: Evidence, after: Evidence, expected: Expected | None) -> list[str]:
    was, is_ = before.modified, after.modified
    if was == is_:
        return []
    if is_ < was:
        return ["the list of archives is an older one than before"]
    if expected is not None and is_ > max(was, expected.ended + expected.skew):
        return [f"the list of archives is dated in the future ({after.last_modified}), or the target's clock is wrong"]
    return ["the list of archives was rewritten, though none came or went"] if before.archives == after.archives else []


def _misdated(archive: Archive, expected: Expected) -> str:
    # The start was cut down to whole seconds.
    if math.floor(expected.started - expected.skew) <= archive.seconds <= expected.ended + expected.skew:
        return ""
    session = f"{_time(expected.started)} to {_time(expected.ended)} by the controller's clock"
    dated = f"the new archive is dated {clean(archive.start)}, outside of the session ({session})"
    return f"{dated}, or the target's clock is wrong"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _objects(before: Records, after: Records, *, allowed: int) -> list[str]:
    lost = _fallen(before, after) - allowed
    if lost <= 0:
        return []
    few = "older object was" if lost == 1 else "older objects were"
    return [f"{lost} {few} deleted or overwritten; only the list of archives may be rewritten, once"]


def _segments_gone(segments: Collection[int]) -> list[str]:
    gone = [str(segment) for segment in sorted(segments)]
    where = "gone from the backup server"
    return [_about(gone, f"segment file is {where}", f"segment files are {where}")] if gone else []


def _doubts(before: Evidence, after: Evidence) -> tuple[str, ...]:
    if not before.counted or not after.counted:
        # Through the gate no session of a target touches an older object.
        return ()
    doubts = []
    if any(after.live.get(segment, 0) > objects for segment, objects in before.live.items()):
        doubts.append(
            "the backup server's records count more objects in an older segment than before: Borg has rebuilt them"
        )
    if _fallen(before, after) < _rewritten(before, after):
        doubts.append("the list of archives was rewritten, but the backup server's records do not show it")
    return tuple(doubts)


def _fallen(before: Records, after: Records) -> int:
    return sum(max(0, objects - after.live.get(segment, 0)) for segment, objects in before.live.items())


def _rewritten(before: Evidence, after: Evidence) -> int:
    return int((before.last_modified, before.archives) != (after.last_modified, after.archives))


def _about(names: list[str], one: str, many: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else many}: {_named(names)}" if names else ""


def _named(names: list[str]) -> str:
    return first_few([clean(name, longest=80) for name in names])
