"""One run: the connections to the backup server, a job for each target, its outcome, and what a signal does.

The worst outcome of a target is the run's. Nothing here knows how any of it is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from .. import runtime_dir
from ..backup import back_up
from ..config import Config, Target
from ..errors import BACKUP_SERVER, CONTROLLER, Absent, AtWork, Failure, NoSpace, TamperedError, target_party
from ..events import (
    Emit,
    Event,
    Failed,
    Noted,
    Outcome,
    Retried,
    RunFinished,
    RunStarted,
    Said,
    Step,
    StepSkipped,
    StepStarted,
    TargetFinished,
    Warned,
    worst,
)
from ..ledger import Entry, check_root, histories_of, local_store
from ..repository import Claim, Room, RunContext, TargetContext, open_target
from ..repository.status import RUN
from ..repository.step_events import outcome_of
from ..ssh import Ahead, Master, StoodStill
from ..transport import BackupServer
from .connection_pool import Servers
from .due import next_attempt

_Result = TypeVar("_Result")
_HURRY_SECONDS = 0.1
_SECONDS_TO_REMEMBER, _SECONDS_WHEN_STOPPED = 30.0, 5.0
# Before the second attempt, how many times longer before each further one, and at the most.
_FIRST_PAUSE, _FACTOR, _LONGEST_PAUSE = 5.0, 3.0, 300.0
# How many attempts of a target may end because the backup server was away: it may be the target that brings it down.
_MOST_BROKEN_OFF = 5


class Interrupt:
    """SIGINT, SIGTERM or SIGHUP: the first stops the run calmly, a second one at once. `number` is the first that came.

    SIGHUP comes when the terminal is closed, twice: from the shell, and from the kernel. It never hurries, and does
    nothing where it was ignored when this process began, as by nohup(1).
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._task: asyncio.Task[object] | None = None
        self._on_first: Callable[[], None] = lambda: None

    def attach(self, on_first: Callable[[], None] = lambda: None) -> None:
        """Have the signals of this process cancel the task that calls this; the first one calls `on_first`."""
        self._task = asyncio.current_task()
        self._on_first = on_first
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._arrived, number)

    @contextlib.contextmanager
    def left_to_others(self) -> Iterator[None]:
        """Do nothing on SIGINT, as system(3) does while a program at the same terminal runs: it gets Ctrl-C too."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        try:
            yield
        finally:
            loop.add_signal_handler(signal.SIGINT, self._arrived, signal.SIGINT)

    def _arrived(self, number: int) -> None:
        if self.number is None and self._task is not None:
            self.number = number
            self._task.cancel()
            self._on_first()
        elif number != signal.SIGHUP:
            self._hurry()
        if number == signal.SIGHUP and asyncio.get_running_loop().remove_signal_handler(number):
            outlive_terminal()

    def _hurry(self) -> None:
        # What still waits for a calm end stops waiting, step by step outwards, and kills instead. A task group that
        # already waits for its tasks would not pass a second cancellation on to them.
        loop = asyncio.get_running_loop()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.call_later(_HURRY_SECONDS, self._hurry)


def outlive_terminal() -> None:
    """Do nothing on a further SIGHUP, until this process ends; those that it starts do not inherit that."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


async def run(config: Config, targets: tuple[Target, ...], *, directory: Path, cache: Path, emit: Emit) -> Outcome:
    """Back up these targets of `config`; return the worst outcome. Without any, nothing is contacted.

    `directory` is private and on a tmpfs, `cache` is kept between runs. Failures become events and are not raised;
    cancelled, it lets every target stop calmly and returns INTERRUPTED, or that a repository was tampered with. A
    target that it did not come to has no event of its own.
    """
    jobs = min(config.jobs, runtime_dir.most_jobs())
    emit(RunStarted(targets=tuple(target.name for target in targets), jobs=jobs))
    if jobs < config.jobs:
        text = f"there are file descriptors for {jobs} targets at a time, not for Jobs = {config.jobs}"
        emit(Warned(text=text, hint=runtime_dir.DESCRIPTORS))
        config = config.model_copy(update={"jobs": jobs})
    outcomes: dict[str, Outcome] = {}
    try:
        if targets:
            async with Servers(config, directory=directory, emit=emit, patience=config.server_patience) as servers:
                await _Run(config, servers, cache, emit, outcomes).back_up(targets)
    except asyncio.CancelledError:
        outcomes[""] = Outcome.INTERRUPTED
    except Exception as error:  # whatever it was, the run gets its end
        failure = runtime_dir.failure_in(directory, error)
        _emit_failure(emit, "", failure)
        outcomes[""] = outcome_of(failure)
    outcome = worst(outcomes.values())
    emit(RunFinished(outcome=outcome))
    return outcome


@dataclass(frozen=True)
class _Run:
    """The targets of one run side by side; `outcomes` has those that have ended."""

    config: Config
    servers: Servers
    cache: Path
    emit: Emit
    outcomes: dict[str, Outcome]
    room: Room = field(default_factory=Room)
    # Targets whose session failed for its share of the free space.
    short: list[Target] = field(default_factory=list)
    # Causes on the controller, each with the first target that it hit.
    told: dict[str, str] = field(default_factory=dict)
    # Targets that came as far as `borg create`.
    created: set[str] = field(default_factory=set)
    ahead: dict[str, Ahead[Master]] = field(default_factory=dict)

    async def back_up(self, targets: tuple[Target, ...]) -> None:
        async with contextlib.AsyncExitStack() as opened:
            # The first ones connect while the backup server does.
            for target in [each for each in targets[: self.config.jobs] if not each.every]:
                servers = self.servers
                opening = open_target(target, directory=servers.directory, jumps=servers.jumps, emit=self.emit)
                self.ahead[target.name] = ahead = Ahead(opening)
                opened.push_async_callback(ahead.close)
            # Before anything else: what fails at the backup server itself is one error, not one for each target.
            await self._attempts("", functools.partial(self._reach, alone=len(targets) == 1))
            due = await self._attempts("", functools.partial(self._due, targets))
            await self._side_by_side(due)

    async def _side_by_side(self, targets: tuple[Target, ...]) -> None:
        slots = asyncio.Semaphore(self.config.jobs)
        async with asyncio.TaskGroup() as tasks:
            for target in targets:
                tasks.create_task(self._one(target, slots))
        # One after the other: each has all that is free.
        for target in self.short:
            await self._one(target, slots)
        if self.servers.failure:
            raise self.servers.failure

    async def _reach(self, tries: _Tries, *, alone: bool) -> None:
        """Connect to the backup server, and check RootDir; of one target `alone` the job itself shows what is wrong."""
        async with self.servers.lease() as tries.server:
            if not self.config.sockets and (self.config.root_dir_must_be_mount or not alone):
                await check_root(tries.server.lasting, self.config)

    async def _due(self, targets: tuple[Target, ...], tries: _Tries) -> tuple[Target, ...]:
        """Return the targets that are due; the others are skipped, before anything connects to them."""
        if not any(target.every for target in targets):
            return targets
        if self.config.sockets:
            found = [await local_store(self.config, target).read_status() for target in targets]
            histories = {target.name: seen.history for target, seen in zip(targets, found, strict=True)}
        else:
            async with self.servers.lease() as tries.server:
                histories = await histories_of(tries.server.lasting, self.config, targets)
        now, chosen = time.time(), []
        for target in targets:
            begins = next_attempt(histories[target.name], every=target.every) if target.every else 0.0
            # A clock that was set back must not put it off any longer.
            if not now < begins <= now + target.every:
                chosen.append(target)
                continue
            when = time.strftime("not due before %Y-%m-%d %H:%M UTC", time.gmtime(begins))
            self.emit(StepSkipped(target=target.name, step=Step.CONNECT, reason=when))
            self.outcomes[target.name] = Outcome.NOT_DUE
            self.emit(TargetFinished(target=target.name, outcome=Outcome.NOT_DUE))
        return tuple(chosen)

    async def _one(self, target: Target, slots: asyncio.Semaphore) -> None:
        async with slots:
            failure, stopped = None, None
            if not await self.servers.is_there():
                # That is the failure of the run, and this target has not begun.
                return
            try:
                with self.room.claiming() as claim:
                    deadline = asyncio.get_running_loop().time() + target.timeout
                    work = functools.partial(self._back_up, target, claim, deadline)
                    outcome = await self._attempts(target.name, work, deadline=deadline)
            except asyncio.CancelledError as error:
                outcome, stopped = Outcome.INTERRUPTED, error
            except Exception as error:  # one target's failure never touches another
                failure = runtime_dir.failure_in(self.servers.directory, error)
                if _is_for_share(failure) and target not in self.short:
                    self.short.append(target)
                    self.emit(Retried(target=target.name, **vars(failure.problem), attempt=2, attempts=2, seconds=0))
                    return
                if not ((away := self.servers.failure) and (failure.transient or failure is away)):
                    # That the backup server stays away is told once, for all.
                    self._report(target.name, failure)
                outcome = outcome_of(failure)
            try:
                # A job that ends well has done it; of one that is away for weeks there would be nothing but that.
                if (failure or stopped) and outcome is not Outcome.ABSENT:
                    seconds = _SECONDS_WHEN_STOPPED if stopped else _SECONDS_TO_REMEMBER
                    entry = replace(_entry(target, outcome, failure), created=target.name in self.created)
                    await self._remember(target, entry, seconds=seconds)
            finally:
                self.outcomes[target.name] = outcome
                self.emit(TargetFinished(target=target.name, outcome=outcome))
            if stopped:
                raise stopped

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StepStarted) and event.step is Step.CREATE:
            self.created.add(event.target)
        self.emit(event)

    def _report(self, target: str, failure: Failure) -> None:
        """Emit the failure of a target. What fails on the controller may hit all of them: it is explained once."""
        first = self.told.setdefault(failure.cause, target) if failure.party == CONTROLLER else target
        if first != target:
            failure = Failure(CONTROLLER, f"the same as with {target_party(first)}", hint="")
        _emit_failure(self.emit, target, failure)

    async def _back_up(self, target: Target, claim: Claim, deadline: float, tries: _Tries) -> Outcome:
        async with self.servers.lease() as tries.server:
            claim.begin_again()
            run_context = RunContext(self.config, tries.server, self.cache, self._on_event, claim, self.ahead)
            return await back_up(run_context, target, deadline=deadline, is_last=tries.is_last)

    async def _attempts(
        self, target: str, work: Callable[[_Tries], Awaitable[_Result]], *, deadline: float = math.inf
    ) -> _Result:
        """Do `work`, and repeat it after a transient failure, until `deadline`."""
        tries = _Tries(self.servers, self.config.retries + 1, deadline)
        while True:
            try:
                return await work(tries)
            except Exception as error:
                failure = runtime_dir.failure_in(self.servers.directory, error)
                if _is_for_share(failure):
                    raise
                if await tries.is_last(failure):
                    raise
                problem, (attempt, attempts, pause) = vars(failure.problem), (tries.number, tries.most, tries.pause)
                self.emit(Retried(target=target, **problem, attempt=attempt, attempts=attempts, seconds=pause))
                await asyncio.sleep(pause)

    async def _remember(self, target: Target, entry: Entry, *, seconds: float) -> None:
        """Write the history entry of a run; when that fails, the outcome is the same."""
        if self.servers.away_since is not None:
            return
        try:
            async with asyncio.timeout(seconds), self.servers.lease() as server:
                run_context = RunContext(self.config, server, self.cache, self.emit)
                await TargetContext(run_context, target).store.remember(entry)
        except Exception as error:  # whatever it was
            text = f"the history was not written: {runtime_dir.failure_in(self.servers.directory, error)}"
            self.emit(Said(target=target.name, party=BACKUP_SERVER, text=text))


@dataclass
class _Tries:
    """The attempts at one piece of work: the next one is `number` of `most`, after `pause` seconds.

    `server` is what the present one has of the backup server.
    """

    servers: Servers
    most: int
    deadline: float
    number: int = 1
    pause: float = 0.0
    server: BackupServer | None = None
    _broken_off: int = 0
    _judged: Failure | None = None
    _last: bool = False

    async def is_last(self, failure: Failure) -> bool:
        """Tell whether a failure is the one to report: there will be no other attempt, or no time left for one.

        Another attempt may succeed after a connection that was refused, lost or not made in time, a lock, and an
        answer that is incomplete or did not come. Never where an operator has to fix something, and never after a
        verdict. An attempt that the backup server broke off does not count; this waits until it is back.
        """
        if self._judged is not failure:
            self._judged, self._last = failure, await self._judge(failure)
        return self._last

    async def _judge(self, failure: Failure) -> bool:
        if _is_for_share(failure):
            return False
        if isinstance(failure, TamperedError) or failure is self.servers.failure:
            return True
        self.pause, may_pass = _pause(self.number), failure.transient
        if self._broken_off < _MOST_BROKEN_OFF and await self.servers.broke_off(self.server, failure):
            self._broken_off += 1
            may_pass = await self.servers.is_there()
        else:
            self.number += 1
        in_time = asyncio.get_running_loop().time() <= self.deadline - self.pause
        return self.number > self.most or not in_time or not may_pass


def _entry(target: Target, outcome: Outcome, failure: Failure | None) -> Entry:
    if failure is None:
        return Entry(what=RUN, outcome=outcome)
    # It ends late: other runs may have ended well since.
    outcome = Outcome.INTERRUPTED if isinstance(failure, StoodStill) else outcome
    own = failure.party == target_party(target.name)
    return Entry(what=RUN, outcome=outcome, cause=failure.cause if own else str(failure), hint=failure.hint)


def _pause(attempt: int) -> float:
    """Return how many seconds to wait after attempt number `attempt`, 1 for the first: longer each time.

    A random part keeps many targets behind one broken switch from coming back all at once.
    """
    return min(_FIRST_PAUSE * _FACTOR ** (attempt - 1), _LONGEST_PAUSE) * random.uniform(0.7, 1.3)  # noqa: S311


def _is_for_share(failure: Failure) -> bool:
    """Tell whether there may be more room at the end of the run, when no other target adds anything."""
    return isinstance(failure, NoSpace) and failure.limit == "share"


def _emit_failure(emit: Emit, target: str, failure: Failure) -> None:
    for line in failure.detail.splitlines():
        emit(Said(target=target, party=failure.party, text=line))
    if isinstance(failure, Absent):
        emit(Noted(target=target, text=f"absent: {failure.cause}"))
        return
    if isinstance(failure, AtWork):
        emit(Warned(target=target, text=str(failure), hint=failure.hint))
        return
    emit(Failed(target=target, **vars(failure.problem)))
