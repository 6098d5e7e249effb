"""One run: the connection to B for all, a job for each target, the outcome of each, and what a signal does to it.

The worst outcome of a target is the run's. Nothing here knows how any of it is shown.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from ..config import Config, Target
from ..errors import TamperedError
from ..events import Emit, Failed, Outcome, RunFinished, RunStarted, Said, TargetFinished
from ..job import Plan, back_up
from ..job.watch import failure_of, outcome_of
from .connected import connected

_BADNESS = (
    Outcome.DONE,
    Outcome.WARNING,
    Outcome.FAILED,
    Outcome.UNVERIFIABLE,
    Outcome.TAMPERED,
    Outcome.INTERRUPTED,
)

_HURRY_SECONDS = 0.1


class Interrupt:
    """SIGINT or SIGTERM: the first stops the run calmly, a second one at once. `number` is the first that came."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._task: asyncio.Task[object] | None = None

    def attach(self) -> None:
        """Have the signals of this process cancel the task that calls this."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._arrived, number)

    def _arrived(self, number: int) -> None:
        if self.number is None and self._task is not None:
            self.number = number
            self._task.cancel()
        else:
            self._hurry()

    def _hurry(self) -> None:
        # Whatever still waits for a calm end stops waiting, step by step outwards, and kills instead. A task group
        # that already waits for its tasks would not pass a second cancellation on to them.
        loop = asyncio.get_running_loop()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.call_later(_HURRY_SECONDS, self._hurry)


async def run(config: Config, *, directory: Path, cache: Path, emit: Emit) -> Outcome:
    """Back up every target of `config`; return the worst outcome.

    `directory` is private and on a tmpfs, `cache` is kept between runs. Failures are told as events, not raised;
    cancelled, it lets every target stop calmly and returns INTERRUPTED.
    """
    emit(RunStarted(targets=tuple(target.name for target in config.targets), jobs=config.jobs))
    outcomes: dict[str, Outcome] = {}
    try:
        await _all(config, directory, cache, emit, outcomes)
    except asyncio.CancelledError:
        outcomes[""] = Outcome.INTERRUPTED
    except Exception as error:  # whatever it was, every target gets its row and the run its end
        _tell(emit, "", error)
        outcomes[""] = outcome_of(failure_of(error))
    for target in config.targets:
        if target.name not in outcomes:
            _finish(emit, outcomes, target, outcomes.get("", Outcome.FAILED))
    worst = max(outcomes.values(), key=_BADNESS.index)
    emit(RunFinished(outcome=worst))
    return worst


async def _all(config: Config, directory: Path, cache: Path, emit: Emit, outcomes: dict[str, Outcome]) -> None:
    async with connected(config, directory=directory, cache=cache, emit=emit) as plan:
        slots = asyncio.Semaphore(config.jobs)
        async with asyncio.TaskGroup() as tasks:
            for target in config.targets:
                tasks.create_task(_one(plan, target, slots, outcomes))


async def _one(plan: Plan, target: Target, slots: asyncio.Semaphore, outcomes: dict[str, Outcome]) -> None:
    async with slots:
        try:
            outcome = await back_up(plan, target)
        except asyncio.CancelledError:
            _finish(plan.emit, outcomes, target, Outcome.INTERRUPTED)
            raise
        except Exception as error:  # one target's failure never touches another
            _tell(plan.emit, target.name, error)
            outcome = outcome_of(failure_of(error))
        _finish(plan.emit, outcomes, target, outcome)


def _finish(emit: Emit, outcomes: dict[str, Outcome], target: Target, outcome: Outcome) -> None:
    outcomes[target.name] = outcome
    emit(TargetFinished(target=target.name, outcome=outcome))


def _tell(emit: Emit, target: str, error: Exception) -> None:
    failure = failure_of(error)
    rules = failure.rules if isinstance(failure, TamperedError) else ()
    for line in failure.detail.splitlines():
        emit(Said(target=target, party=failure.party, text=line))
    emit(Failed(target=target, party=failure.party, cause=failure.cause, hint=failure.hint, rules=rules))
