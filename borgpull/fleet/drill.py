"""`drill` over a fleet: one target after the other, for there is room in memory for the files of one."""

from __future__ import annotations

from pathlib import Path

from .. import restore
from ..config import Config, Target
from ..events import Emit
from ..repository import RunContext, TargetContext
from ..repository.step_events import failure_of
from ..results import Drilled
from .connection_pool import connected


async def drill(
    config: Config,
    targets: tuple[Target, ...],
    *,
    directory: Path,
    cache: Path,
    emit: Emit,
    seed: int,
    size: int,
    files: int,
) -> tuple[Drilled, ...]:
    """Read some files of each of these targets back: at most `files`, of `size` bytes together, picked by `seed`.

    What is wrong with one target is told in its answer, and hides nothing of another. Raises Failure when B cannot be
    reached.
    """

    async def one(run_context: RunContext, target: Target) -> Drilled:
        context = TargetContext(run_context, target)
        try:
            # Nobody may replace an archive between the look at it and its extraction, or put the repository back.
            async with context.vault.locked():
                return await restore.drill(context, seed=seed, size=size, files=files)
        except Exception as error:  # whatever it was, the others are drilled all the same
            failure = failure_of(error)
            return Drilled(target=target.name, party=failure.party, cause=failure.cause, hint=failure.hint)

    async with connected(config, directory=directory, cache=cache, emit=emit) as run_context:
        return tuple([await one(run_context, target) for target in targets])
