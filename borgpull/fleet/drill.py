"""`drill` over a fleet: one target after the other, for there is room in memory for the files of one."""

from __future__ import annotations

from .. import restore
from ..config import Target
from ..errors import failure_of
from ..repository import RunContext, TargetContext
from ..results import Drilled


async def drill(run_context: RunContext, target: Target, *, seed: int, size: int, files: int) -> Drilled:
    """Read some files of a target back: at most `files`, of `size` bytes together, picked by `seed`.

    A failure is in the answer, and is not raised: it hides nothing of another target.
    """
    context = TargetContext(run_context, target)
    try:
        # No run may replace an archive between its choice and its extraction, or put the repository back.
        async with context.store.locked():
            return await restore.drill(context, seed=seed, size=size, files=files)
    except Exception as error:  # whatever it was, the others are drilled all the same
        problem = failure_of(error).problem
        return Drilled(target=target.name, party=problem.party, cause=problem.cause, hint=problem.hint)
