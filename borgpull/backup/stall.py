"""Time limits: for a whole run, and for a session on the target that moves no byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from ..errors import BACKUP_SERVER, Failure
from ..events import Step
from ..repository.connected_target import TargetSession
from ..repository.context import TargetContext

# In an idle connection a master of ours reads and writes about 20 bytes a second, one keepalive in 15 seconds.
_KEEPALIVES = 60.0
_SAMPLE_SECONDS = 20.0
_ON_TARGET = (Step.CONNECT, Step.BEFORE, Step.CREATE, Step.STREAM, Step.AFTER)
_ANY = "look there for what hangs, or allow it more; the next run goes on from the last checkpoint"
_CHECK = (
    "set CheckMaxDuration in [Borg], and the next run goes on with the check; or raise Timeout. Prune waits for it no "
    "longer than CheckEvery"
)
_HANGING = {"T": "its borg serve is stopped", "D": "its borg serve waits for the disk"}


def in_time(context: TargetContext, deadline: float) -> AbstractAsyncContextManager[None]:
    """Raise Failure when the context is not done at `deadline`, by the clock of the event loop."""
    span = round(context.target.timeout)
    return _limited(context, asyncio.timeout_at(deadline), f"was not done within {span} s in all (Timeout)")


@asynccontextmanager
async def moving(context: TargetContext, session: TargetSession) -> AsyncIterator[None]:
    """Raise Failure when the target's connection moves nothing but keepalives for the time of StallTimeout."""
    seconds = context.target.stall_timeout
    limit = asyncio.timeout(seconds)
    async with _limited(context, limit, f"has moved no byte for {seconds:.0f} s (StallTimeout)"):
        watch = asyncio.create_task(_prolong(limit, session.master.moved, seconds))
        try:
            yield
        finally:
            watch.cancel()


@asynccontextmanager
async def _limited(context: TargetContext, limit: asyncio.Timeout, how: str) -> AsyncIterator[None]:
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise await _hung(context, how) from None


async def _hung(context: TargetContext, how: str) -> Failure:
    """Return a failure of the party that hangs: the target's borg may wait for its serve on the backup server."""
    step = context.events.stopped_in or context.events.latest
    state = await context.store.serve_state()
    if state in _HANGING:
        hint = "look at that process on the backup server"
        return Failure(BACKUP_SERVER, f"{_HANGING[state]}; the target {how}", hint=hint)
    party = context.party if step in _ON_TARGET else BACKUP_SERVER
    return Failure(party, f"the target {how}; it came as far as {step}", hint=_CHECK if step is Step.CHECK else _ANY)


async def _prolong(limit: asyncio.Timeout, moved: Callable[[], int], seconds: float) -> None:
    every = min(_SAMPLE_SECONDS, seconds / 3)
    before = moved()
    while True:
        await asyncio.sleep(every)
        if (now := moved()) - before > _KEEPALIVES * every or now < 0:
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
            before = now
