"""`find` over a fleet: at most Jobs targets side by side, the archives of each one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from .. import restore
from ..config import Config, Target
from ..errors import Problem, failure_of, target_party
from ..events import Emit
from ..repository import RunContext, TargetContext
from ..results import Closed, Found
from .connection_pool import Servers


async def find(
    config: Config,
    targets: tuple[Target, ...],
    pattern: str,
    *,
    last: int,
    directory: Path,
    cache: Path,
    emit: Emit,
    on_found: Callable[[Found], None],
    on_read: Callable[[], None],
    on_problem: Callable[[Problem | Closed], None],
) -> None:
    """Look for `pattern` in the newest `last` archives of these targets, 0 for all; what comes of it is called back.

    A problem of one target hides nothing of another. `directory` is private and on a tmpfs. Raises Failure when the
    backup server cannot be reached.
    """
    async with Servers(config, directory=directory, emit=emit) as servers:
        # A backup server that cannot be reached is one failure, and not one for each target.
        async with servers.lease():
            slots = asyncio.Semaphore(config.jobs)

        async def one(target: Target) -> None:
            try:
                async with slots, servers.lease() as server:
                    context = TargetContext(RunContext(config, server, cache, emit), target)
                    closed = await restore.find(context, pattern, last=last, on_found=on_found, on_read=on_read)
                if closed:
                    on_problem(closed)
            except Exception as error:  # whatever it was, the others are searched all the same
                on_problem(failure_of(error).of(target_party(target.name)).problem)

        async with asyncio.TaskGroup() as tasks:
            for target in targets:
                tasks.create_task(one(target))
