"""The connection to a target, and the commands that run there, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..errors import program_party
from ..ssh import Master, open_master
from ..transport import BorgResult, OnOutput, Preflight, TargetCommand, ask_preflight, run_on_target
from .context import TargetContext


@dataclass(frozen=True)
class TargetSession:
    """A connected target."""

    context: TargetContext
    master: Master

    async def preflight(self, command: TargetCommand) -> Preflight:
        """Ask the target for what a command needs. Raises Failure when it does not answer."""
        return await ask_preflight(self.master, command)

    async def run(self, command: TargetCommand, *, on_output: OnOutput | None = None, quota: str = "") -> BorgResult:
        """Run a command; without `on_output` its borg's output becomes events. `quota` limits the repository's size.

        Raises Failure when a connection breaks, and TamperedError when the gate stopped the session.
        """
        context = self.context
        gated = context.target.gate or context.config.sockets
        request = context.request(command.step, append_only=True, quota=quota, gated=gated)
        on_output = on_output or context.events.output_handler(program_party("borg", context.party), command.step)
        return await run_on_target(self.master, command, request, on_output=on_output)


@asynccontextmanager
async def connected_target(context: TargetContext) -> AsyncIterator[TargetSession]:
    """Connect to the target for as long as the context lasts. Raises Failure."""
    async with open_master(
        context.target.connection,
        party=context.party,
        directory=context.server.directory,
        jumps=context.server.jumps,
        on_output=lambda line: context.events.said(program_party("ssh", context.party), line),
    ) as master:
        yield TargetSession(context, master)
