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
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from .. import runtime_dir
from ..backup import back_up
from ..config import Config, Target
from ..errors import BACKUP_SERVER, CONTROLLER, AtWork, Failure, NoSpace, TamperedError, target_party
from ..events import Emit, Failed, Outcome, Retried, RunFinished, RunStarted, Said, TargetFinished, Warned, worst
from ..ledger import Entry, check_root
from ..repository import Claim, Room, RunContext, TargetContext
from ..repository.status import RUN
from ..repository.step_events import outcome_of
from ..ssh import StoodStill
from .connection_pool import Servers

_Result = TypeVar("_Result")
_IsLast = Callable[[Failure], bool]
_HURRY_SECONDS = 0.1
_SECONDS_TO_REMEMBER, _SECONDS_WHEN_STOPPED = 30.0, 5.0
# Before the second attempt, how many times longer before each further one, and at the most.
_FIRST_PAUSE, _FACTOR, _LONGEST_PAUSE = 5.0, 3.0, 300.0


class Interrupt:
    """SIGINT or SIGTERM: the first stops the run calmly, a second one at once. `number` is the first that came."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._task: asyncio.Task[object] | None = None
        self._on_first: Callable[[], None] = lambda: None

    def attach(self, on_first: Callable[[], None] = lambda: None) -> None:
        """Have the signals of this process cancel the task that calls this; the first one calls `on_first`."""
        self._task = asyncio.current_task()
        self._on_first = on_first
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
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
        else:
            self._hurry()

    def _hurry(self) -> None:
        # What still waits for a calm end stops waiting, step by step outwards, and kills instead. A task group that
        # already waits for its tasks would not pass a second cancellation on to them.
        loop = asyncio.get_running_loop()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.call_later(_HURRY_SECONDS, self._hurry)


async def run(config: Config, targets: tuple[Target, ...], *, directory: Path, cache: Path, emit: Emit) -> Outcome:
    """Back up these targets of `config`; return the worst outcome. Without any, nothing is contacted.

    `directory` is private and on a tmpfs, `cache` is kept between runs. Failures become events and are not raised;
    cancelled, it lets every target stop calmly and returns INTERRUPTED, or that a repository was tampered with.
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
            async with Servers(config, directory=directory, emit=emit) as servers:
                await _Run(config, servers, cache, emit, outcomes).back_up(targets)
    except asyncio.CancelledError:
        outcomes[""] = Outcome.INTERRUPTED
    except Exception as error:  # whatever it was, every target gets its row and the run its end
        failure = runtime_dir.failure_in(directory, error)
        _emit_failure(emit, "", failure)
        outcomes[""] = outcome_of(failure)
    for target in targets:
        if target.name not in outcomes:
            outcomes[target.name] = outcomes.get("", Outcome.FAILED)
            emit(TargetFinished(target=target.name, outcome=outcomes[target.name]))
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

    async def back_up(self, targets: tuple[Target, ...]) -> None:
        # Before anything else: what fails at the backup server itself is one error, not one for each target.
        await self._attempts("", self._reach)
        slots = asyncio.Semaphore(self.config.jobs)
        async with asyncio.TaskGroup() as tasks:
            for target in targets:
                tasks.create_task(self._one(target, slots))
        # One after the other: each has all that is free.
        for target in self.short:
            await self._one(target, slots)

    async def _reach(self, _: _IsLast) -> None:
        """Connect to the backup server, and check RootDir."""
        async with self.servers.lease() as server:
            if not self.config.sockets:
                self.servers.root.is_new = not await check_root(server.lasting, self.config)

    async def _one(self, target: Target, slots: asyncio.Semaphore) -> None:
        async with slots:
            failure, stopped = None, None
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
                self._report(target.name, failure)
                outcome = outcome_of(failure)
            try:
                seconds = _SECONDS_WHEN_STOPPED if stopped else _SECONDS_TO_REMEMBER
                await self._remember(target, _entry(target, outcome, failure), seconds=seconds)
            finally:
                self.outcomes[target.name] = outcome
                self.emit(TargetFinished(target=target.name, outcome=outcome))
            if stopped:
                raise stopped

    def _report(self, target: str, failure: Failure) -> None:
        """Emit the failure of a target. What fails on the controller may hit all of them: it is explained once."""
        first = self.told.setdefault(failure.cause, target) if failure.party == CONTROLLER else target
        if first != target:
            failure = Failure(CONTROLLER, f"the same as with {target_party(first)}", hint="")
        _emit_failure(self.emit, target, failure)

    async def _back_up(self, target: Target, claim: Claim, deadline: float, is_last: _IsLast) -> Outcome:
        async with self.servers.lease() as server:
            run_context = RunContext(self.config, server, self.cache, self.emit, claim)
            return await back_up(run_context, target, deadline=deadline, is_last=is_last)

    async def _attempts(
        self, target: str, work: Callable[[_IsLast], Awaitable[_Result]], *, deadline: float = math.inf
    ) -> _Result:
        """Do `work`, and repeat it after a transient failure, until `deadline`."""
        attempts = self.config.retries + 1
        for attempt in range(1, attempts + 1):
            pause = _pause(attempt)
            is_last = functools.partial(_is_last, tries_left=attempts - attempt, before=deadline - pause)
            try:
                return await work(is_last)
            except Exception as error:
                failure = runtime_dir.failure_in(self.servers.directory, error)
                if is_last(failure) or _is_for_share(failure):
                    raise
                problem = vars(failure.problem)
                self.emit(Retried(target=target, **problem, attempt=attempt + 1, attempts=attempts, seconds=pause))
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _remember(self, target: Target, entry: Entry, *, seconds: float) -> None:
        """Write the history entry of a run; when that fails, the outcome is the same."""
        try:
            async with asyncio.timeout(seconds), self.servers.lease() as server:
                run_context = RunContext(self.config, server, self.cache, self.emit)
                await TargetContext(run_context, target).store.remember(entry)
        except Exception as error:  # whatever it was
            text = f"the history was not written: {runtime_dir.failure_in(self.servers.directory, error)}"
            self.emit(Said(target=target.name, party=BACKUP_SERVER, text=text))


def _entry(target: Target, outcome: Outcome, failure: Failure | None) -> Entry:
    if failure is None:
        return Entry(what=RUN, outcome=outcome)
    # It ends late: other runs may have ended well since.
    outcome = Outcome.INTERRUPTED if isinstance(failure, StoodStill) else outcome
    own = failure.party == target_party(target.name)
    return Entry(what=RUN, outcome=outcome, cause=failure.cause if own else str(failure), hint=failure.hint)


def _is_last(failure: Failure, *, tries_left: int, before: float) -> bool:
    """Tell whether a failure is the one to report: there will be no other attempt, or no time left for one.

    Another attempt may succeed after a connection that was refused, lost or not made in time, a lock, and an answer
    that is incomplete or did not come. Never where an operator has to fix something, and never after a verdict.
    """
    if _is_for_share(failure):
        return False
    may_pass = failure.transient and not isinstance(failure, TamperedError)
    return not tries_left or asyncio.get_running_loop().time() > before or not may_pass


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
    if isinstance(failure, AtWork):
        emit(Warned(target=target, text=str(failure), hint=failure.hint))
        return
    emit(Failed(target=target, **vars(failure.problem)))
