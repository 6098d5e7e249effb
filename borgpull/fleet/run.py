"""One run: the connections to B, a job for each target, the outcome of each, and what a signal does to it.

The worst outcome of a target is the run's. Nothing here knows how any of it is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..backup import back_up
from ..config import Config, Target
from ..doctor import require
from ..errors import BACKUP_SERVER, Failure, NoSpace, TamperedError, target_party
from ..events import Emit, Failed, Outcome, Retried, RunFinished, RunStarted, Said, TargetFinished, worst
from ..ledger import Entry, check_root
from ..repository import Claim, Room, RunContext, TargetContext
from ..repository.status import RUN
from ..repository.step_events import failure_of, outcome_of
from .connection_pool import PROGRAMS, Servers

_HURRY_SECONDS = 0.1
_SECONDS_TO_REMEMBER, _SECONDS_WHEN_STOPPED = 30.0, 5.0
# Before the second attempt, how many times longer before each further one, and at the most.
_FIRST_PAUSE, _FACTOR, _LONGEST_PAUSE = 5.0, 3.0, 300.0


class Interrupt:
    """SIGINT or SIGTERM: the first stops the run calmly, a second one at once. `number` is the first that came."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._task: asyncio.Task[object] | None = None
        self._told: Callable[[], None] = lambda: None

    def attach(self, told: Callable[[], None] = lambda: None) -> None:
        """Have the signals of this process cancel the task that calls this; `told` is called at the first one."""
        self._task = asyncio.current_task()
        self._told = told
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
            self._told()
        else:
            self._hurry()

    def _hurry(self) -> None:
        # Whatever still waits for a calm end stops waiting, step by step outwards, and kills instead. A task group
        # that already waits for its tasks would not pass a second cancellation on to them.
        loop = asyncio.get_running_loop()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.call_later(_HURRY_SECONDS, self._hurry)


async def run(config: Config, targets: tuple[Target, ...], *, directory: Path, cache: Path, emit: Emit) -> Outcome:
    """Back up these targets of `config`; return the worst outcome. Without any, nobody is contacted.

    `directory` is private and on a tmpfs, `cache` is kept between runs. Failures are told as events, not raised;
    cancelled, it lets every target stop calmly and returns INTERRUPTED, or that a repository was tampered with.
    """
    emit(RunStarted(targets=tuple(target.name for target in targets), jobs=config.jobs))
    outcomes: dict[str, Outcome] = {}
    try:
        if targets:
            await _all(config, targets, directory=directory, cache=cache, emit=emit, outcomes=outcomes)
    except asyncio.CancelledError:
        outcomes[""] = Outcome.INTERRUPTED
    except Exception as error:  # whatever it was, every target gets its row and the run its end
        _tell(emit, "", error)
        outcomes[""] = outcome_of(failure_of(error))
    for target in targets:
        if target.name not in outcomes:
            _finish(emit, outcomes, target, outcomes.get("", Outcome.FAILED))
    outcome = worst(outcomes.values())
    emit(RunFinished(outcome=outcome))
    return outcome


async def _all(
    config: Config,
    targets: tuple[Target, ...],
    *,
    directory: Path,
    cache: Path,
    emit: Emit,
    outcomes: dict[str, Outcome],
) -> None:
    require(*PROGRAMS)
    async with Servers(config, directory=directory, emit=emit) as servers:
        await _reach(servers, config, emit)
        fleet = _Fleet(config, servers, cache, emit)
        slots = asyncio.Semaphore(config.jobs)
        async with asyncio.TaskGroup() as tasks:
            for target in targets:
                tasks.create_task(_one(fleet, target, slots, outcomes))
        # One after the other: each has all that is free.
        for target in fleet.short:
            await _one(fleet, target, slots, outcomes)


async def _reach(servers: Servers, config: Config, emit: Emit) -> None:
    """Connect to B before anything else, and look at RootDir: what fails there is told once, not for each target."""
    retries = config.retries
    for attempt in range(1, retries + 2):
        try:
            async with servers.lease() as server:
                if not config.sockets:
                    servers.root.is_new = not await check_root(server.lasting, config)
                return
        except Failure as failure:
            if attempt > retries or not _worth_trying_again(failure):
                raise
            await _rest(emit, "", failure, attempt=attempt, retries=retries, seconds=_pause(attempt))


@dataclass(frozen=True)
class _Fleet:
    config: Config
    servers: Servers
    cache: Path
    emit: Emit
    room: Room = field(default_factory=Room)
    # Targets whose session failed for its share of the free space.
    short: list[Target] = field(default_factory=list)


async def _one(fleet: _Fleet, target: Target, slots: asyncio.Semaphore, outcomes: dict[str, Outcome]) -> None:
    async with slots:
        failure, stopped = None, None
        try:
            with fleet.room.reported() as claim:
                outcome = await _tried(fleet, target, claim)
        except asyncio.CancelledError as error:
            outcome, stopped = Outcome.INTERRUPTED, error
        except Exception as error:  # one target's failure never touches another
            failure = failure_of(error)
            if _is_for_share(failure) and target not in fleet.short:
                fleet.short.append(target)
                _tell_again(fleet.emit, target.name, failure, attempt=1, retries=1, seconds=0)
                return
            _tell(fleet.emit, target.name, error)
            outcome = outcome_of(failure)
        try:
            seconds = _SECONDS_WHEN_STOPPED if stopped else _SECONDS_TO_REMEMBER
            await _remember(fleet, target, _entry(target, outcome, failure), seconds=seconds)
        finally:
            _finish(fleet.emit, outcomes, target, outcome)
        if stopped:
            raise stopped


def _entry(target: Target, outcome: Outcome, failure: Failure | None) -> Entry:
    if failure is None:
        return Entry(what=RUN, outcome=outcome)
    own = failure.party == target_party(target.name)
    return Entry(what=RUN, outcome=outcome, cause=failure.cause if own else str(failure), hint=failure.hint)


async def _remember(fleet: _Fleet, target: Target, entry: Entry, *, seconds: float) -> None:
    """Write down what became of a run; that this fails changes nothing of what became of it."""
    try:
        async with asyncio.timeout(seconds), fleet.servers.lease() as server:
            run_context = RunContext(fleet.config, server, fleet.cache, fleet.emit)
            await TargetContext(run_context, target).vault.remember(entry)
    except Exception as error:  # whatever it was
        text = f"the history was not written: {failure_of(error)}"
        fleet.emit(Said(target=target.name, party=BACKUP_SERVER, text=text))


async def _tried(fleet: _Fleet, target: Target, claim: Claim) -> Outcome:
    deadline = asyncio.get_running_loop().time() + target.timeout
    retries = fleet.config.retries
    for attempt in range(1, retries + 2):
        seconds = _pause(attempt)
        is_last = functools.partial(_is_last, tries_left=retries + 1 - attempt, before=deadline - seconds)
        try:
            async with fleet.servers.lease() as server:
                run_context = RunContext(fleet.config, server, fleet.cache, fleet.emit, claim)
                return await back_up(run_context, target, deadline=deadline, is_last=is_last)
        except Exception as error:
            failure = failure_of(error)
            if is_last(failure) or _is_for_share(failure):
                raise
            await _rest(fleet.emit, target.name, failure, attempt=attempt, retries=retries, seconds=seconds)
    raise AssertionError("the last attempt returns or raises")


def _is_last(failure: Failure, *, tries_left: int, before: float) -> bool:
    """Tell whether a failure is the one to tell: there will be no other attempt, or no time left for one."""
    if _is_for_share(failure):
        return False
    return not tries_left or asyncio.get_running_loop().time() > before or not _worth_trying_again(failure)


def _worth_trying_again(failure: Failure) -> bool:
    """Tell whether the same attempt may succeed later.

    It may after a connection that was refused, lost or not made in time, a lock, and an answer that is not complete or
    did not come. Never where somebody has to mend something: authentication, host keys, passphrases; and never after a
    verdict.
    """
    return failure.transient and not isinstance(failure, TamperedError)


def _pause(attempt: int) -> float:
    """Return how many seconds to wait after attempt number `attempt`, 1 for the first: longer each time.

    A random part keeps many targets behind one broken switch from coming back all at once.
    """
    return min(_FIRST_PAUSE * _FACTOR ** (attempt - 1), _LONGEST_PAUSE) * random.uniform(0.7, 1.3)  # noqa: S311


def _is_for_share(failure: Failure) -> bool:
    """Tell whether there may be more room at the end of the run, when nobody else adds anything."""
    return isinstance(failure, NoSpace) and failure.limit == "share"


async def _rest(emit: Emit, target: str, failure: Failure, *, attempt: int, retries: int, seconds: float) -> None:
    _tell_again(emit, target, failure, attempt=attempt, retries=retries, seconds=seconds)
    await asyncio.sleep(seconds)


def _tell_again(emit: Emit, target: str, failure: Failure, *, attempt: int, retries: int, seconds: float) -> None:
    attempts = retries + 1
    emit(Retried(target=target, **vars(failure.problem), attempt=attempt + 1, attempts=attempts, seconds=seconds))


def _finish(emit: Emit, outcomes: dict[str, Outcome], target: Target, outcome: Outcome) -> None:
    outcomes[target.name] = outcome
    emit(TargetFinished(target=target.name, outcome=outcome))


def _tell(emit: Emit, target: str, error: Exception) -> None:
    failure = failure_of(error)
    for line in failure.detail.splitlines():
        emit(Said(target=target, party=failure.party, text=line))
    emit(Failed(target=target, **vars(failure.problem)))
