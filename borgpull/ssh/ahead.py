"""A context that is entered beside other work, so that two hosts answer at the same time."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Ahead(Generic[_T]):
    """Enters a context in a task of its own; `close` leaves it, entered or not.

    Nothing in the context may depend on the task that entered it, as a limit of asyncio.timeout does.
    """

    def __init__(self, context: AbstractAsyncContextManager[_T]) -> None:
        self._stack = AsyncExitStack()
        self._entering = asyncio.create_task(self._stack.enter_async_context(context))

    async def entered(self) -> _T:
        """Wait for what the context yields. Raises what kept it from being entered."""
        return await self._entering

    async def close(self) -> None:
        self._entering.cancel()
        try:
            await asyncio.wait({self._entering})
            if not self._entering.cancelled():
                # Whoever waited for it has it already.
                self._entering.exception()
        finally:
            await self._stack.aclose()
