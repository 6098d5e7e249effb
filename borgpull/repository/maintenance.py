"""What the controller does to a repository after a clean verdict: check it when that is due, prune it, compact it.

The target has no part in it. Nothing is pruned while a check finds damage, and nothing changes except between
`begin_maintenance` and `end_maintenance` of the verification.

Time is cut into periods of CheckEvery and of PruneEvery, for each repository at moments of its own, which its id gives:
the first run in each period checks or prunes. So the checks of a fleet that began on one day spread. Of one repository
both begin at the same moment where their periods are equally long: what is made permanent was checked just before.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace

from ..borg import WARNED
from ..borg import command_lines as borg_command
from ..borg.failure import UNPROVEN
from ..borg.output import Message
from ..config import Config, Target
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, NoSpace, plural
from ..events import Outcome, Step
from ..format import size
from ..guard import Unreadable
from ..ledger import Ledger
from ..results import ListedArchive
from ..retention import DAYS_SET_ASIDE, Archive, ArchiveState, Retention, Rules, decide, is_checkpoint
from ..transport import BorgResult
from ..untrusted import clean
from .archives import VerifiedArchives
from .context import TargetContext
from .grace import drop_for_room
from .space import LEAST, runs_short
from .step_events import StepReport
from .verification import Verification

_FREED = re.compile(r"compaction freed about (.{1,20}) repository space")
# Every commit leaves a few bytes; to move segments for less than this costs more than it frees.
_WORTH_COMPACTING = 1024 * 1024
_SHARES = 1 << 64
HELD = "the target is held"
# Of an archive that is not in the ledger, by whether it is unfinished.
_UNVERIFIED = {True: "unfinished: the next run goes on from it", False: "not verified: the next run judges it"}
# The kernel takes 128 KiB in one argument and much more in all; what leads there takes its share.
_LONGEST_ARGUMENTS = 96 * 1024


class Maintenance:
    """The repository of one target, between its session and the next one."""

    def __init__(self, context: TargetContext, verification: Verification) -> None:
        self._context = context
        self._events = context.events
        self._verification = verification
        self._kept = self._scarce = self._complete = False
        # Why the repository is not pruned in this run.
        self._waits = ""
        self._every = context.config.check_every
        # Without a shell on the backup server it is not visible how far a check came.
        self._most = context.config.check_max_duration if context.store.shows_records else 0

    def check_is_due(self) -> bool:
        return check_due(self._verification.verified, every=self._every, now=time.time())

    def check_is_overdue(self) -> bool:
        """Tell whether a check did not end within CheckEvery: then nothing waits for it any longer."""
        return 0 < self._verification.verified.check_began <= time.time() - self._every

    async def check(self, *, due: bool) -> None:
        """Check the repository, or report why not. Raises Failure when there is damage."""
        if not due:
            known = self._verification.verified
            self._events.skip(Step.CHECK, _due_from(next_due(known, every=self._every, now=time.time())))
            return
        if self._most and not await self._check_segments():
            return
        with self._events.step(Step.CHECK, "archives" if self._most else ""):
            await self._run_check(borg_command.check_archives() if self._most else borg_command.check())
            known = replace(self._verification.verified, check_from=0, check_began=0.0)
            await self._verification.save(replace(known, checked=time.time(), checking=False))

    async def _check_segments(self) -> bool:
        """Read segments for CheckMaxDuration, and return whether that was the last of them."""
        with self._events.step(Step.CHECK, "segments") as report:
            known, anew = self._verification.verified, ""
            # A target can set the mark in the config, and what lies before it would not be read.
            if await self._check_from() != known.check_from:
                anew = "begun anew, as the mark in its config is not ours; "
                await self._context.store.check_anew()
            await self._run_check(borg_command.check_segments(self._most))
            done = await self._check_from()
            await self._verification.save(replace(known, check_from=done))
            last = known.evidence.transaction
            report.detail = f"{anew}segments below {done} of {last + 1}" if done else f"{anew}all segments"
            return not done

    async def _check_from(self) -> int:
        """Return the segment from which borg goes on with a check, 0 if it has read them all. Raises Failure."""
        try:
            return (await self._context.store.read_evidence()).records.check_from
        except Unreadable as error:
            hint = "look there for errors of its disk; the next run tries again"
            raise Failure(BACKUP_SERVER, f"could not read how far the check came: {error}", hint=hint) from None

    async def _run_check(self, arguments: list[str]) -> None:
        ended = await self._context.borg(Step.CHECK, arguments)
        # Borg reports damage with the exit status of a warning.
        if ended.status == WARNED and UNPROVEN not in _first(ended):
            await self._verification.save(replace(self._verification.verified, check_from=0, check_began=0.0))
            raise Failure(
                BACKUP_SERVER,
                f"borg check found damage in the repository: {_first(ended)}",
                hint="nothing was pruned or compacted; read borg's manual on `check --repair` before you act",
            )
        if ended.status != 0:
            raise ended.failure(CONTROLLER, "check")

    async def make_room(self, short: NoSpace) -> None:
        """Prune and compact because a session had no room, and add to its failure what that freed. Raises Failure.

        What was not committed goes too. Where the disk itself is short, what Grace keeps of this target goes first, for
        it would hold the space. The next run goes on from unfinished archives, so these go only if there is still too
        little room.
        """
        before = self._verification.space
        # The target may only claim that the disk is full.
        self._scarce = short.limit == "quota" or self._verification.lacks_space(2 * LEAST)
        if self._scarce and (dropped := await drop_for_room(self._context, self._verification.verified)):
            self._context.warn(f"what Grace kept was dropped, for its room is needed (states: {dropped})")
        await self.prune(short=True)
        await self.compact(short=True)
        known = self._verification.verified
        if self._verification.lacks_space() and not known.holds:
            ours = [each.archive for each in self._retention(time.time()).decisions if each.series is not None]
            if unfinished := tuple(archive for archive in ours if is_checkpoint(archive.name)):
                await self.prune(short=True, to_go=unfinished)
                await self.compact(short=True)
        after = self._verification.space
        freed = size(max(0, after.free - before.free)) if before and after else "what they could"
        short.hint = f"{short.hint}; prune and compact freed {freed} meanwhile"

    def _to_go(self, *, short: bool) -> tuple[Archive, ...]:
        known = self._verification.verified
        if not (short and known.holds):
            return self._retention(time.time()).to_go
        # A hold wins over a full disk. What is set aside goes as if its days were over.
        later = self._retention(time.time() + (DAYS_SET_ASIDE + 1) * 86400)
        return tuple(each for each in later.to_go if each.state is ArchiveState.SET_ASIDE)

    def _retention(self, now: float) -> Retention:
        return retention_of(self._context.config, self._context.target, self._verification.verified, now=now)

    async def prune(self, *, short: bool = False, to_go: tuple[Archive, ...] | None = None) -> None:
        """Delete the archives that the operator's rules do not keep, or `to_go`.

        With `short` room is needed, even of a held target. Raises Failure when some of them stay.
        """
        self._waits = "" if short else self._why_not()
        if self._waits:
            self._events.skip(Step.PRUNE, self._waits)
            return
        with self._events.step(Step.PRUNE) as report:
            held_back = self._held_back(report)
            self._complete = not held_back and not self._verification.verified.holds
            if to_go is None:
                to_go = self._to_go(short=short)
            to_go = () if held_back else to_go
            self._kept = bool(to_go)
            await self._verification.begin_maintenance(
                frozenset(archive.id for archive in to_go), keep=self._kept and not self._scarce
            )
            report.detail = held_back or (f"{len(to_go)} removed" if to_go else "")
            if to_go:
                await self._delete(report, [archive.name for archive in to_go])

    def _why_not(self) -> str:
        """Return why nothing is pruned now; "" when that is due, or room gets short and something may go."""
        known, config, target = self._verification.verified, self._context.config, self._context.target
        if known.holds:
            return HELD
        if known.check_from and math.isfinite(self._every) and not self.check_is_overdue():
            return "the next run goes on with the check (CheckMaxDuration)"
        now = time.time()
        begins, to_go = next_prune(config, target, known, now=now)
        short = to_go and runs_short(known, self._verification.space, quota=target.quota, floor=config.min_free)
        waiting = f" ({to_go} to remove)" if to_go else ""
        return "" if begins <= now or short else f"{_due_from(begins)}{waiting}"

    def _held_back(self, report: StepReport) -> str:
        """Return why nothing may be deleted now, "" when all is well."""
        if self._verification.taken_over:
            return "nothing in the run that takes a repository over"
        if why := self._verification.clock_disagreement():
            self._events.worsen(report, Outcome.WARNING)
            hint = "set all of them by NTP; until they agree no archive is deleted"
            self._context.warn(f"nothing was pruned: {why}", hint)
            return "nothing, the clocks disagree"
        return ""

    async def _delete(self, report: StepReport, names: list[str]) -> None:
        ended = BorgResult()
        for portion in _portions(names):
            ended = await self._context.borg(Step.PRUNE, borg_command.delete(portion))
            if ended.status not in (0, WARNED):
                break
        # Borg's own word does not count: 1.2 says nothing at all about a name that it does not know.
        if left := await self._verification.confirm_deleted():
            if ended.status not in (0, WARNED):
                raise ended.failure(CONTROLLER, "delete")
            raise Failure(
                CONTROLLER,
                f"borg delete left {len(left)} of {plural(len(names), 'archive')}: {clean(left[0])}",
                hint="run it again with -v to see all of borg's output; the next run tries again",
            )
        self._events.report_result(report, ended, "delete", party=CONTROLLER)

    async def compact(self, *, short: bool = False) -> None:
        """Free what no archive needs any more, when that is worth it, and store the new state. Raises Failure.

        With `short` it always is: what was not committed goes too, and borg has no count of it.
        """
        if self._waits:
            self._events.skip(Step.COMPACT, self._waits)
            return
        with self._events.step(Step.COMPACT) as report:
            freeable = await self._verification.freeable()
            # Where it is not visible, borg finds out for itself.
            if short or freeable is None or freeable >= _WORTH_COMPACTING:
                if not self._kept and not self._scarce:
                    await self._verification.begin_maintenance(frozenset(), keep=True)
                ended = await self._context.borg(Step.COMPACT, borg_command.compact())
                self._events.report_result(report, ended, "compact", party=CONTROLLER)
                freed = [found[1] for m in ended.served.said.others if (found := _FREED.search(m.text))]
                report.detail = f"freed {freed[-1]}" if freed else ""
            else:
                report.detail = "nothing to free"
            await self._verification.end_maintenance(pruned=self._complete)


def _first(ended: BorgResult) -> str:
    said: list[Message] = [*ended.served.said.errors, *ended.said.errors, *ended.said.warnings]
    return said[0].text if said else "it does not say what"


def _portions(names: list[str]) -> Iterator[list[str]]:
    """Cut the names into lists that fit into one command line each."""
    portion: list[str] = []
    length = 0
    for name in names:
        length += len(name.encode("utf-8", "surrogateescape")) + 1
        if portion and length > _LONGEST_ARGUMENTS:
            yield portion
            portion, length = [], len(name)
        portion.append(name)
    if portion:
        yield portion


def retention_of(config: Config, target: Target, known: Ledger, *, now: float) -> Retention:
    """Return what the operator's rules make of the archives of a verified state at `now`."""
    archives = [
        Archive(
            name=archive.name,
            id=archive.id,
            started=archive.seconds,
            state=(note := known.note(archive.id)).state,
            reason=note.reason,
            paths=frozenset(note.paths) if note.paths else None,
        )
        for archive in known.evidence.archives
    ]
    streams = [stream.name for stream in target.streams]
    rules = Rules.from_options(target.prune_options)
    return decide(archives, rules, now=now, streams=streams, also=config.prune_also)


def next_prune(config: Config, target: Target, known: Ledger, *, now: float) -> tuple[float, int]:
    """Return from when a run prunes, and how many archives would go now; infinity for never.

    It is `now` when that is due, or when one has to go that was set aside: for it a day was named.
    """
    to_go = retention_of(config, target, known, now=now).to_go
    every = config.prune_every
    aside = math.isfinite(every) and any(archive.state is not ArchiveState.GOOD for archive in to_go)
    due = aside or is_due(known, known.pruned, every=every, now=now)
    return now if due else next_due(known, every=every, now=now), len(to_go)


def explained(context: TargetContext, archives: VerifiedArchives) -> tuple[ListedArchive, ...]:
    """Return the archives with what the next prune would do with each. Raises Failure before any run."""
    if archives.known is None:
        raise Failure(archives.party, "no run has verified its archives yet", hint="`borgpull run` does")
    config, target, now = context.config, context.target, time.time()
    begins, _ = next_prune(config, target, archives.known, now=now)
    when = "with the next run" if begins <= now else f"with the next prune, {_due_from(begins)}"
    decided = {
        each.archive.id: each if each.kept else replace(each, rule=f"{each.rule}; goes {when}")
        for each in retention_of(config, target, archives.known, now=now).decisions
    }
    if archives.known.holds:
        # Meanwhile what no rule keeps stays, and so does what is odd.
        held = {id_ for id_, each in decided.items() if not each.kept or each.archive.state is ArchiveState.ODD}
        decided |= {id_: replace(decided[id_], kept=True, rule=HELD) for id_ in held}
    return tuple(
        replace(entry, kept=found.kept if found else True, rule=found.rule if found else _UNVERIFIED[entry.unfinished])
        for entry in archives.listed
        for found in [decided.get(entry.archive_id)]
    )


def check_due(known: Ledger, *, every: float, now: float) -> bool:
    """Tell whether a check is due at `now`, `every` seconds: 0 for always, infinity for never.

    It is when none ever passed: a new repository takes little time, and what one that was taken over or accepted holds
    is unknown yet. And it is when one was interrupted, or found damage.
    """
    return is_due(known, 0.0 if known.checking else known.checked, every=every, now=now)


def is_due(known: Ledger, last: float, *, every: float, now: float) -> bool:
    """Tell whether what was done `last`, 0 for never, is due at `now`, `every` seconds, as in `check_due`."""
    if every == 0 or math.isinf(every):
        return every == 0
    # Not "later than": by a clock that was set back, the last time may lie in the future.
    return last == 0 or _period(known, last, every) != _period(known, now, every)


def next_due(known: Ledger, *, every: float, now: float) -> float:
    """Return when the next period of this repository begins; infinity where there is none."""
    if every == 0 or math.isinf(every):
        return now if every == 0 else math.inf
    return (_period(known, now, every) + 1 + _share(known)) * every


def _due_from(begins: float) -> str:
    return time.strftime("due from %Y-%m-%d %H:%M UTC", time.gmtime(begins)) if begins < math.inf else "switched off"


def _period(known: Ledger, moment: float, every: float) -> int:
    return math.floor(moment / every - _share(known))


def _share(known: Ledger) -> float:
    """Return what part of a period the repository's own periods begin later: from 0 to below 1."""
    digest = hashlib.sha256(known.evidence.repository_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") / _SHARES
