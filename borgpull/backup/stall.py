"""What does not end by itself: a session on T that moves no byte, and whose fault that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..errors import BACKUP_SERVER, Failure
from ..events import Step
from ..repository.context import TargetContext
from ..repository.session import TargetSession

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


async def hung(context: TargetContext, how: str) -> Failure:
    """Say who hangs: what T's borg waits for may be the serve on B."""
    step = context.events.stopped_in or context.events.latest
    party = context.party if step in _ON_TARGET else BACKUP_SERVER
    state = await context.vault.serve_state()
    if state in _HANGING:
        return Failure(BACKUP_SERVER, f"{_HANGING[state]}; the target {how}", hint="look at that process on B")
    return Failure(
        party,
        f"the target {how}; it came as far as {step}",
        hint=_CHECK if step is Step.CHECK else _ANY,
    )


@asynccontextmanager
async def in_time(context: TargetContext, deadline: float) -> AsyncIterator[None]:
    """Raise Failure when the context is not done at `deadline`, by the clock of the event loop."""
    try:
        async with asyncio.timeout_at(deadline) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        span = round(context.target.timeout)
        raise await hung(context, f"was not done within {span} s in all (Timeout)") from None


@asynccontextmanager
async def moving(context: TargetContext, session: TargetSession) -> AsyncIterator[None]:
    """Raise Failure when T's connection moves nothing but keepalives for as long as StallTimeout says."""
    seconds = context.target.stall_timeout
    try:
        async with asyncio.timeout(seconds) as limit:
            watch = asyncio.create_task(_prolong(limit, session.moved, seconds))
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise await hung(context, f"has moved no byte for {seconds:.0f} s (StallTimeout)") from None


async def _prolong(limit: asyncio.Timeout, moved: Callable[[], int], seconds: float) -> None:
    every = min(_SAMPLE_SECONDS, seconds / 3)
    before = moved()
    while True:
        await asyncio.sleep(every)
        if (now := moved()) - before > _KEEPALIVES * every or now < 0:
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
            before = now
