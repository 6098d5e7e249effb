"""How the backups of a target stand, told from its ledger alone. Pure: asks nobody and opens no repository.

It judges nothing that a run judges: what is not as it was verified is only said to be so.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from ..events import Outcome
from ..guard import Archive
from ..ledger import Ledger, Phase, RepositoryStatus
from ..results import GoodArchive, PastEvent, State, TargetStatus
from ..retention import is_checkpoint, is_main, stream_of
from ..untrusted import clean
from .verification import (
    CHANGED,
    GONE,
    SKEW_SECONDS,
    TAMPERED,
    UNVERIFIABLE,
    recovery_hint,
    release_hint,
    unreadable_ledger,
)

RUN = "run"
# What an operator decides; more than these would not end a failure.
_SETTLED = {"accept", "rollback", "keep", "release"}
_GOOD_ENOUGH = {Outcome.DONE, Outcome.WARNING, Outcome.HELD}
_BACK_UP = "`borgpull run` makes one; `borgpull doctor` looks for what is in its way"
_MOUNT = (
    "there is nothing of borgpull's below RootDir: if a disk of the backup server should be mounted there, mount it; "
    "before a first run `borgpull doctor` looks for what is in its way"
)


def status_of(
    name: str,
    seen: RepositoryStatus,
    *,
    now: float,
    max_age: float,
    streams: tuple[str, ...] = (),
    root_is_new: bool = False,
) -> TargetStatus:
    """Return how the backups of the target `name` stand at `now`; an archive older than `max_age` seconds is too old.

    Every archive that was verified counts, but for unfinished ones and those dated after `now`. It is late when its
    source paths are, or one of these `streams`. `root_is_new` tells that nothing below RootDir is borgpull's.
    """
    if seen.ledger is None:
        return _without_ledger(name, seen, never=_MOUNT if root_is_new else _BACK_UP)
    known = seen.ledger
    archives = known.evidence.archives
    whole = [archive for archive in archives if not is_checkpoint(archive.name) and known.is_good(archive.id)]
    good = [archive for archive in whole if is_main(archive.name)]
    read = {stream: _last([each for each in whole if stream_of(each.name) == stream], now) for stream in streams}
    standing = TargetStatus(
        target=name,
        state=State.OK,
        ledger=known.phase.value,
        at_work=seen.holder,
        last=_last(good, now),
        archives=len(good),
        size=seen.size,
        grace=len(seen.grace) if known.evidence.counted else None,
        grace_size=seen.grace_size,
        free=seen.space.free if seen.space else None,
        growth=seen.size - known.size_before if seen.size is not None and known.size_before else None,
        checked=known.checked or None,
        expected=known.expected if known.expected > now else None,
        history=_past(seen),
    )
    late = _late(standing, max_age) or _late_stream(standing, read, max_age)
    unsettled = late or _unsettled(standing, known, seen)
    return _accused(standing, known, seen) or _failing(standing) or _held(standing, known) or unsettled


def _past(seen: RepositoryStatus) -> tuple[PastEvent, ...]:
    return tuple(PastEvent(**asdict(each)) for each in seen.history)


def _failing(standing: TargetStatus) -> TargetStatus | None:
    # Of one that somebody stopped nobody knows how it would have ended, and a decision ends what it is about.
    ends = [event for event in standing.history if event.what in _SETTLED | {RUN}]
    told = [event for event in ends if event.outcome != Outcome.INTERRUPTED]
    if not told or told[-1].what in _SETTLED or told[-1].outcome in _GOOD_ENOUGH:
        return None
    return replace(
        standing,
        state=State.FAILING,
        cause=f"its last run failed: {told[-1].cause}",
        hint=told[-1].hint or "see the report of that run; `borgpull doctor` looks for what is in the way",
    )


def _held(standing: TargetStatus, known: Ledger) -> TargetStatus | None:
    if not known.holds:
        return None
    words = "; ".join(dict.fromkeys(hold.words for hold in known.holds))
    return replace(standing, state=State.HELD, cause=f"held: {words}", hint=release_hint(standing.target))


def _without_ledger(name: str, seen: RepositoryStatus, *, never: str) -> TargetStatus:
    found = TargetStatus(target=name, state=State.NEVER, at_work=seen.holder, size=seen.size, history=_past(seen))
    if seen.unreadable:
        return replace(
            found,
            state=State.UNVERIFIABLE,
            ledger="unreadable",
            cause=UNVERIFIABLE,
            findings=(unreadable_ledger(seen.unreadable),),
            hint=recovery_hint(name),
        )
    if failing := _failing(found):
        return replace(failing, state=State.NEVER, cause=f"it was never backed up; {failing.cause}")
    if seen.repository:
        hint = "the next `borgpull run` takes it over as it is, and prunes nothing"
        return replace(found, cause="a repository is there, but borgpull never verified it", hint=hint)
    return replace(found, cause="it was never backed up", hint=never)


def _last(good: list[Archive], now: float) -> GoodArchive | None:
    # Archives from before borgpull may be dated anyhow; one from the future would never grow old.
    dated = [archive for archive in good if archive.seconds <= now + SKEW_SECONDS]
    newest = max(dated, key=lambda archive: archive.seconds, default=None)
    if newest is None:
        return None
    return GoodArchive(name=clean(newest.name), started=newest.seconds, age=max(0.0, now - newest.seconds))


def _accused(standing: TargetStatus, known: Ledger, seen: RepositoryStatus) -> TargetStatus | None:
    gone = not seen.repository or GONE in known.rules
    ways = recovery_hint(standing.target, rollback=known.evidence.counted, gone=gone)
    if known.phase is Phase.CLOSED:
        state = State.UNVERIFIABLE if known.cause == UNVERIFIABLE else State.TAMPERED
        return replace(standing, state=state, cause=known.cause, findings=known.rules, hint=ways)
    if not seen.repository and not seen.holder:
        cause = CHANGED if known.phase is Phase.CLEAN else TAMPERED
        return replace(standing, state=State.TAMPERED, cause=cause, findings=(GONE,), hint=ways)
    return None


def _late(standing: TargetStatus, max_age: float) -> TargetStatus | None:
    if standing.last is None:
        return replace(standing, state=State.NEVER, cause="it has no archive yet", hint=_BACK_UP)
    if standing.last.age > max_age:
        return replace(
            standing,
            state=State.STALE,
            cause="its last good archive is too old",
            hint="see why the last runs made none: `borgpull doctor` looks for what is in the way",
        )
    return None


def _late_stream(standing: TargetStatus, read: dict[str, GoodArchive | None], max_age: float) -> TargetStatus | None:
    late = [stream for stream, last in read.items() if last is None or last.age > max_age]
    if not late:
        return None
    why = "it has no archive yet" if read[late[0]] is None else "its last good archive is too old"
    return replace(
        standing,
        state=State.STALE,
        cause=f"its stream {late[0]} is late: {why}",
        hint="see in the last report how its command ended",
    )


def _unsettled(standing: TargetStatus, known: Ledger, seen: RepositoryStatus) -> TargetStatus:
    if seen.holder:
        return standing
    if known.phase in (Phase.OPEN, Phase.MAINTENANCE):
        return replace(
            standing,
            state=State.INTERRUPTED,
            cause="a run of it ended in the middle",
            hint="the next run verifies first what it left",
        )
    if seen.transaction != known.evidence.transaction:
        return replace(
            standing,
            state=State.CHANGED,
            cause="its repository is not as it was verified last: something was written since",
            hint="the next run judges it; `borgpull accept` shows the difference, and asks before it does anything",
        )
    return standing
