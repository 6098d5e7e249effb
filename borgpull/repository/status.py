"""The status of a target's backups, by its ledger alone. Pure: asks nobody and opens no repository.

It judges nothing that a run judges: of what is not as it was verified it only says so.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ..errors import command_line
from ..events import Outcome
from ..guard import Archive
from ..ledger import Ledger, Phase, RepositoryStatus
from ..results import GoodArchive, PastEvent, State, TargetStatus
from ..retention import is_checkpoint, is_main, stream_of
from ..untrusted import clean
from . import verification
from .verification import CHANGED, GONE, SKEW_SECONDS, TAMPERED, UNVERIFIABLE

RUN = "run"
# What an operator decides; more than these would not end a failure.
_SETTLED = {"accept", "rollback", "keep", "release"}
_GOOD_ENOUGH = {Outcome.DONE, Outcome.WARNING, Outcome.HELD}
# How an interrupted run would have ended is unknown; where another one was at work, that one tells.
_TELL_NOTHING = {Outcome.INTERRUPTED, Outcome.BUSY}
_LOOK = "`borgpull doctor` looks for what is in the way"
_BACK_UP = f"`borgpull run` makes one; {_LOOK}"
_MOUNT = (
    "there is nothing of borgpull's below RootDir: if a disk of the backup server should be mounted there, mount it; "
    f"before a first run {_LOOK}"
)
_NO_ARCHIVE = "it has no archive yet"
_TOO_OLD = "its last good archive is too old"
# Fields of a TargetStatus: its state, and why; empty where nothing is wrong.
_Fields = dict[str, Any]


def status_of(
    name: str,
    seen: RepositoryStatus,
    *,
    now: float,
    max_age: float,
    streams: tuple[str, ...] = (),
    root_is_new: bool = False,
) -> TargetStatus:
    """Return the status of the target `name` at `now`; an archive older than `max_age` seconds is too old.

    Every archive that was verified counts, except unfinished ones and those dated after `now`. The target is late when
    its source paths are, or one of these `streams`. With `root_is_new` nothing below RootDir is borgpull's.
    """
    history = tuple(PastEvent(**asdict(each)) for each in seen.history)
    found = TargetStatus(target=name, state=State.OK, at_work=seen.holder, size=seen.size, history=history)
    known = seen.ledger
    if known is None:
        return replace(found, **_without_ledger(found, seen, never=_MOUNT if root_is_new else _BACK_UP))
    whole = _whole(known)
    good = [archive for archive in whole if is_main(archive.name)]
    read = {stream: _last([each for each in whole if stream_of(each.name) == stream], now) for stream in streams}
    found = replace(
        found,
        ledger=known.phase.value,
        last=last_good(known, now),
        archives=len(good),
        grace=len(seen.grace) if known.evidence.counted else None,
        grace_size=seen.grace_size,
        free=seen.space.free if seen.space else None,
        growth=seen.size - known.size_before if seen.size is not None and known.size_before else None,
        checked=known.checked or None,
        expected=known.expected if known.expected > now else None,
    )
    fields = _accused(name, known, seen) or _failing(history) or _held(name, known)
    return replace(found, **(fields or _late(found.last, read, max_age) or _unsettled(name, known, seen)))


def last_good(known: Ledger, now: float) -> GoodArchive | None:
    """Return the newest good archive of the source paths; None without one."""
    return _last([archive for archive in _whole(known) if is_main(archive.name)], now)


def _whole(known: Ledger) -> list[Archive]:
    archives = known.evidence.archives
    return [archive for archive in archives if not is_checkpoint(archive.name) and known.is_good(archive.id)]


def _last(good: list[Archive], now: float) -> GoodArchive | None:
    # Archives from before borgpull may be dated anyhow; one from the future would never grow old.
    dated = [archive for archive in good if archive.seconds <= now + SKEW_SECONDS]
    newest = max(dated, key=lambda archive: archive.seconds, default=None)
    if newest is None:
        return None
    return GoodArchive(name=clean(newest.name), started=newest.seconds, age=max(0.0, now - newest.seconds))


def _without_ledger(found: TargetStatus, seen: RepositoryStatus, *, never: str) -> _Fields:
    if seen.unreadable:
        findings = (verification.unreadable_ledger(seen.unreadable),)
        hint = verification.recovery_hint(found.target)
        unreadable = {"ledger": "unreadable", "cause": UNVERIFIABLE, "findings": findings, "hint": hint}
        return {"state": State.UNVERIFIABLE, **unreadable}
    if failing := _failing(found.history):
        return failing | {"state": State.NEVER, "cause": f"it was never backed up; {failing['cause']}"}
    if seen.repository:
        hint = "the next `borgpull run` takes it over as it is, and prunes nothing"
        return {"state": State.NEVER, "cause": "a repository is there, but borgpull never verified it", "hint": hint}
    return {"state": State.NEVER, "cause": "it was never backed up", "hint": never}


def _accused(name: str, known: Ledger, seen: RepositoryStatus) -> _Fields:
    gone = not seen.repository or GONE in known.rules
    hint = verification.recovery_hint(name, rollback=known.evidence.counted, gone=gone)
    if known.phase is Phase.CLOSED:
        state = State.UNVERIFIABLE if known.cause == UNVERIFIABLE else State.TAMPERED
        return {"state": state, "cause": known.cause, "findings": known.rules, "hint": hint}
    if not seen.repository and not seen.holder:
        cause = CHANGED if known.phase is Phase.CLEAN else TAMPERED
        return {"state": State.TAMPERED, "cause": cause, "findings": (GONE,), "hint": hint}
    return {}


def _failing(history: tuple[PastEvent, ...]) -> _Fields:
    # A decision ends what it is about.
    ends = [event for event in history if event.what in _SETTLED | {RUN} and event.outcome not in _TELL_NOTHING]
    if not ends or ends[-1].what in _SETTLED or ends[-1].outcome in _GOOD_ENOUGH:
        return {}
    hint = ends[-1].hint or f"see the report of that run; {_LOOK}"
    return {"state": State.FAILING, "cause": f"its last run failed: {ends[-1].cause}", "hint": hint}


def _held(name: str, known: Ledger) -> _Fields:
    words = "; ".join(dict.fromkeys(hold.words for hold in known.holds))
    held = {"state": State.HELD, "cause": f"held: {words}", "hint": verification.release_hint(name)}
    return held if known.holds else {}


def _late(last: GoodArchive | None, read: dict[str, GoodArchive | None], max_age: float) -> _Fields:
    if last is None:
        return {"state": State.NEVER, "cause": _NO_ARCHIVE, "hint": _BACK_UP}
    if last.age > max_age:
        return {"state": State.STALE, "cause": _TOO_OLD, "hint": f"see why the last runs made none: {_LOOK}"}
    late = [stream for stream, newest in read.items() if newest is None or newest.age > max_age]
    if not late:
        return {}
    cause = f"its stream {late[0]} is late: {_NO_ARCHIVE if read[late[0]] is None else _TOO_OLD}"
    return {"state": State.STALE, "cause": cause, "hint": "see in the last report how its command ended"}


def _unsettled(name: str, known: Ledger, seen: RepositoryStatus) -> _Fields:
    if seen.holder:
        return {}
    if known.phase in (Phase.OPEN, Phase.MAINTENANCE):
        hint = "the next run verifies first what it left"
        return {"state": State.INTERRUPTED, "cause": "a run of it ended in the middle", "hint": hint}
    if seen.transaction != known.evidence.transaction:
        cause = "its repository is not as it was verified last: something was written since"
        shows = f"{command_line('accept', name)} shows the difference, and asks before it does anything"
        return {"state": State.CHANGED, "cause": cause, "hint": f"the next run judges it; {shows}"}
    return {}
