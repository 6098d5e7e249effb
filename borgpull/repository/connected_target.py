"""The connection to a target, and the commands that run there, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..config import Connection, Target
from ..errors import program_party, target_party
from ..events import Emit, Said
from ..ssh import Ahead, JumpHosts, Master, open_master
from ..transport import BorgResult, OnOutput, Preflight, TargetCommand, ask_preflight, run_on_target
from .context import TargetContext

_Opening = AbstractAsyncContextManager[Master]


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


def open_connection(
    where: Connection, *, party: str, directory: Path, emit: Emit, jumps: JumpHosts | None = None, target: str = ""
) -> _Opening:
    """Connect to `party` for as long as the context lasts; what its ssh prints becomes events. Raises Failure."""
    program = program_party("ssh", party)
    said = lambda line: emit(Said(target=target, party=program, text=line))  # noqa: E731
    return open_master(where, party=party, directory=directory, on_output=said, jumps=jumps)


def open_target(target: Target, *, directory: Path, jumps: JumpHosts, emit: Emit) -> _Opening:
    name, party = target.name, target_party(target.name)
    return open_connection(target.connection, party=party, directory=directory, jumps=jumps, emit=emit, target=name)


@asynccontextmanager
async def connected_target(context: TargetContext) -> AsyncIterator[TargetSession]:
    """Connect to the target for as long as the context lasts, unless the run did so already. Raises Failure."""
    target, server = context.target, context.server
    opened = context.run.ahead.pop(target.name, None) or Ahead(
        open_target(target, directory=server.directory, jumps=server.jumps, emit=context.emit)
    )
    try:
        yield TargetSession(context, await opened.entered())
    finally:
        await opened.close()
