"""A new archive is compared with the good ones; if it is odd, nothing is pruned until an operator has looked.

The archive is kept and verified as ever, and its target is held: what would age out the good archives does not run. A
hold for a source path or for shrinking ends by itself when a later archive has again what was missing.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..errors import command_line, plural
from ..events import Outcome
from ..guard import Archive as RepositoryArchive
from ..ledger import MOST_COMPARED, Entry, Hold, Ledger, Phase
from ..retention import ArchiveState, Facts, Finding, Limits, ends, oddities, stream_of
from ..untrusted import clean
from .context import TargetContext
from .step_events import StepReport
from .verification import Verification, release_hint


async def compare(
    context: TargetContext, verification: Verification, archive_id: str, facts: Facts, report: StepReport
) -> None:
    """Compare a new archive with the good ones of its series. An odd one is not good, and the target is held.

    Raises Failure when the backup server cannot look for the host keys of other targets.
    """
    known = verification.verified
    good = _good(known, facts.stream)
    before = next((each.keys for each in good if each.keys), frozenset())
    # A key on record for this target needs no look at others.
    is_known = not before or facts.keys & before
    others = frozenset() if is_known else await context.store.host_keys(facts.keys, record=False)
    limits = Limits(shrink=context.target.shrink_limit, change=context.target.change_limit)
    found = oddities(facts, good, limits=limits, others=others)
    expected = known.expected > time.time()
    holds = known.holds if expected else _held(known.holds, facts, found)
    odd = any(hold.stream == facts.stream for hold in holds)
    if odd:
        words = "; ".join(dict.fromkeys(hold.words for hold in holds))
        verification.note(archive_id, replace(known.note(archive_id), state=ArchiveState.ODD, reason=words))
    released = time.time() if known.holds and not holds else known.released
    facts_of_all = {**known.facts, archive_id: facts}
    verification.change(replace(verification.verified, facts=facts_of_all, holds=holds, released=released))
    if not odd and facts.keys != before:
        await context.store.host_keys(facts.keys, record=True)
    if expected:
        why = f" ({known.expected_why})" if known.expected_why else ""
        for each in found:
            context.warn(f"expected until {_minute(known.expected)}{why}: {each.words}")
        return
    held = [hold for hold in holds if hold.stream == facts.stream]
    for hold in held:
        context.events.worsen(report, Outcome.HELD)
        context.warn(f"held: {hold.words}", release_hint(context.target.name))
    # When its holds have ended, what was odd is set aside.
    known = verification.verified
    for archive in () if held else odd_archives(known):
        if stream_of(archive.name) == facts.stream and archive.id != archive_id:
            verification.note(archive.id, replace(known.note(archive.id), state=ArchiveState.SET_ASIDE))


def _good(known: Ledger, stream: str) -> list[Facts]:
    """Return the facts of the last good archives of a series, also of pruned ones; the newest first."""
    good = [facts for id_, facts in known.facts.items() if facts.stream == stream and known.is_good(id_)]
    return sorted(good, key=lambda facts: facts.started, reverse=True)[:MOST_COMPARED]


def _held(holds: tuple[Hold, ...], now: Facts, found: tuple[Finding, ...]) -> tuple[Hold, ...]:
    mine = {(hold.oddity, hold.path) for hold in holds if hold.stream == now.stream}
    over = ends(mine, now, found)
    kept = [hold for hold in holds if hold.stream != now.stream or (hold.oddity, hold.path) not in over]
    new = [
        Hold(oddity=each.oddity, path=each.path, stream=now.stream, words=each.words, since=now.started)
        for each in found
        if (each.oddity, each.path) not in mine
    ]
    return (*kept, *new)


def odd_archives(known: Ledger) -> list[RepositoryArchive]:
    """Return the odd archives that are there, the oldest first."""
    found = [each for each in known.evidence.archives if known.note(each.id).state is ArchiveState.ODD]
    return sorted(found, key=lambda archive: archive.seconds)


def held_lines(known: Ledger) -> list[str]:
    """Return why a target is held, and which archives are odd."""
    if not known.holds:
        return ["it is not held"]
    held = [f"held since {_minute(hold.since)}: {hold.words}" for hold in known.holds]
    return [*held, *(f"odd: {clean(archive.name)}" for archive in odd_archives(known))]


async def open_ledger(context: TargetContext) -> Ledger:
    """Read the ledger. Raises Failure where there is none, or its repository is closed."""
    known = (await context.store.read_evidence()).ledger
    if known is None or known.phase is Phase.CLOSED:
        raise context.failure(
            f"its repository is closed: {known.cause}" if known else "it was never backed up",
            hint=f"run {command_line('status', '--only', context.target.name)}",
        )
    return known


async def release(context: TargetContext, shown: Ledger, *, good: bool) -> str:
    """Let a held target go on; its odd archives become good, or are set aside. Return what was done.

    `shown` is what the operator decided about. Raises Failure when there is another hold by now.
    """
    known = (await context.store.read_evidence()).ledger
    if known is None or known.holds != shown.holds or known.evidence.archives != shown.evidence.archives:
        raise context.failure(
            "its holds or archives are not those that were shown",
            hint=f"{command_line('release', context.target.name)} shows what there is now",
        )
    state = ArchiveState.GOOD if good else ArchiveState.SET_ASIDE
    odd = odd_archives(known)
    notes = {each.id: replace(known.note(each.id), state=state) for each in odd}
    await context.store.write(replace(known, notes={**known.notes, **notes}, holds=(), released=time.time()))
    if good and odd and odd[-1].id in known.facts:
        await context.store.host_keys(known.facts[odd[-1].id].keys, record=True)
    done = f"{plural(len(odd), 'odd archive')} {'taken as good' if good else 'set aside'}"
    held = "; ".join(hold.words for hold in known.holds)
    await context.remember(Entry(what="release", cause=f"{done}; it was held: {held}"))
    return done


async def expect(context: TargetContext, *, until: float, why: str) -> None:
    """Until then only warn about what is odd, and hold nothing. Raises Failure where there is no open ledger."""
    known = await open_ledger(context)
    await context.store.write(replace(known, expected=until, expected_why=why))
    cause = f"what is odd until {_minute(until)} is not held{f': {why}' if why else ''}"
    await context.remember(Entry(what="expect", cause=cause))


def _minute(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
