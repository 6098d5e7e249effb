"""What C does to a repository once T's session was found clean: check it when that is due, prune it, compact it.

T has no part in it. Nothing is pruned while a check finds damage, and nothing changes but between the custody's
`begin_own` and `end_own`.

Time is cut into periods of CheckEvery, for each repository at moments of its own, which its id gives: the first run in
each period checks. So the checks of a fleet that began on one day do not stay together on one.
"""

from __future__ import annotations

import hashlib
import math
import re
import time

from ..borg import WARNED, series
from ..borg import command as borg_command
from ..borg.output import Message
from ..errors import BACKUP_SERVER, CONTROLLER, Failure
from ..events import Step
from ..ledger import Ledger
from ..road import Ended
from .custody import Custody
from .plan import Subject

_FREED = re.compile(r"compaction freed about (.{1,20}) repository space")
# Every commit leaves a few bytes; to move segments for less than this costs more than it frees.
_WORTH_COMPACTING = 1024 * 1024
_SHARES = 1 << 64


class Upkeep:
    """The repository of one target, between T's session and the next one."""

    def __init__(self, subject: Subject, custody: Custody) -> None:
        self._subject = subject
        self._watch = subject.watch
        self._custody = custody
        self._every = subject.plan.config.check_every

    def check_is_due(self) -> bool:
        return check_due(self._custody.verified, every=self._every, now=time.time())

    async def check(self, *, due: bool) -> None:
        """Check the repository, or tell why not. Raises Failure when there is damage."""
        if not due:
            self._watch.skip(Step.CHECK, self._reason())
            return
        with self._watch.step(Step.CHECK):
            ended = await self._subject.borg(Step.CHECK, borg_command.check())
            # Borg reports damage with the exit status of a warning.
            if ended.status == WARNED:
                raise Failure(
                    BACKUP_SERVER,
                    f"borg check found damage in the repository: {_first(ended)}",
                    hint="nothing was pruned or compacted; read borg's manual on `check --repair` before you act",
                )
            if ended.status != 0:
                raise ended.failure(CONTROLLER, "check")
            self._custody.passed_check()

    def _reason(self) -> str:
        due = next_check(self._custody.verified, every=self._every, now=time.time())
        # Farther than a year ahead lies only "never".
        if due > time.time() + 2 * 366 * 86400:
            return "switched off"
        return time.strftime("due from %Y-%m-%d %H:%M UTC", time.gmtime(due))

    async def prune(self) -> None:
        """Remove the archives that the operator's rules do not keep, of each series by itself. Raises Failure."""
        rules = self._subject.plan.config.prune_options
        gone = 0
        with self._watch.step(Step.PRUNE) as report:
            await self._custody.begin_own()
            for stream in ("", *(stream.name for stream in self._subject.target.streams)):
                arguments = borg_command.prune(rules, archives=series.glob(stream))
                ended = await self._subject.borg(Step.PRUNE, arguments)
                self._watch.settle(report, ended, "prune", party=CONTROLLER)
                gone += sum(message.text.startswith("Pruning archive") for message in ended.said.others)
            report.detail = f"{gone} removed" if gone else ""

    async def compact(self) -> None:
        """Free what no archive needs any more, when that is worth it, and write down what C made. Raises Failure."""
        with self._watch.step(Step.COMPACT) as report:
            freeable = await self._custody.freeable()
            # Where it cannot be seen, borg finds out for itself.
            if freeable is None or freeable >= _WORTH_COMPACTING:
                ended = await self._subject.borg(Step.COMPACT, borg_command.compact())
                self._watch.settle(report, ended, "compact", party=CONTROLLER)
                freed = [found[1] for m in ended.served.said.others if (found := _FREED.search(m.text))]
                report.detail = f"freed {freed[-1]}" if freed else ""
            else:
                report.detail = "nothing to free"
            await self._custody.end_own()


def _first(ended: Ended) -> str:
    said: list[Message] = [*ended.served.said.errors, *ended.said.errors, *ended.said.warnings]
    return said[0].text if said else "it does not say what"


def check_due(known: Ledger, *, every: float, now: float) -> bool:
    """Tell whether a check is due at `now`, `every` seconds: 0 for always, infinity for never.

    One that never passed is: of a new repository it is cheap, and of one that was taken over or accepted nobody knows
    yet what it holds. So is one that was interrupted, or found damage.
    """
    if every == 0 or math.isinf(every):
        return every == 0
    period = _period(known, known.checked, every)
    # Not "later than": by a clock that was set back, the last check may lie in the future.
    return known.checked == 0 or known.checking or period != _period(known, now, every)


def next_check(known: Ledger, *, every: float, now: float) -> float:
    """Return when the next period of this repository begins; infinity when it is never checked."""
    if every == 0 or math.isinf(every):
        return now if every == 0 else math.inf
    return (_period(known, now, every) + 1 + _share(known)) * every


def _period(known: Ledger, moment: float, every: float) -> int:
    return math.floor(moment / every - _share(known))


def _share(known: Ledger) -> float:
    """Return what part of a period the repository's own periods begin later: from 0 to below 1."""
    digest = hashlib.sha256(known.evidence.repository_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") / _SHARES
