"""The connection to a target, and the commands that run there, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..config import Connection, Target
from ..errors import program_party, target_party
from ..events import Emit, Said
from ..ssh import Ahead, JumpHosts, Master, open_master
from ..transport import BorgResult, OnOutput, Preflight, TargetCommand, ask_preflight
from ..transport.target_borg import ReadySession, ready_session, run_on_target
from .context import TargetContext

# Half of what a session on a target waits for its passphrase.
_FRESH_SECONDS = 60.0
_Opening = AbstractAsyncContextManager[Master]


@dataclass(frozen=True)
class TargetSession:
    """A connected target. `ahead` has sessions that were opened before their commands may run."""

    context: TargetContext
    master: Master
    ahead: dict[TargetCommand, Ahead[ReadySession]] = field(default_factory=dict)

    async def preflight(self, command: TargetCommand) -> Preflight:
        """Ask the target for what a command needs. Raises Failure when it does not answer."""
        return await ask_preflight(self.master, command)

    @asynccontextmanager
    async def opening(self, command: TargetCommand) -> AsyncIterator[None]:
        """Open the session of a command that may run within this context; until then none of it does."""
        self.ahead[command] = ahead = Ahead(self._ready(command))
        try:
            yield
        finally:
            await ahead.close()

    def _ready(self, command: TargetCommand) -> AbstractAsyncContextManager[ReadySession]:
        return ready_session(self.master, command, directory=self.context.server.directory)

    async def run(self, command: TargetCommand, *, on_output: OnOutput | None = None, quota: str = "") -> BorgResult:
        """Run a command; without `on_output` its borg's output becomes events. `quota` limits the repository's size.

        Raises Failure when a connection breaks, and TamperedError when the gate stopped the session.
        """
        context = self.context
        gated = context.target.gate or context.config.sockets
        request = context.request(command.step, append_only=True, quota=quota, gated=gated)
        on_output = on_output or context.events.output_handler(program_party("borg", context.party), command.step)
        ahead = self.ahead.pop(command, None)
        if ahead is None or ahead.age > _FRESH_SECONDS:
            ahead = Ahead(self._ready(command))
        try:
            return await run_on_target(self.master, command, await ahead.entered(), request, on_output=on_output)
        finally:
            await ahead.close()


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
