"""A session of T with its repository, opened and run as this target's options say: for a backup and for a restore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from ..events import Step
from ..ssh import Master, open_master
from ..transport import (
    BorgResult,
    ForwardedSocket,
    OnOutput,
    TargetCommand,
    TargetSession,
    ask_seen,
    forward_socket,
    open_target,
)
from .context import TargetContext


@dataclass(frozen=True)
class Opened:
    """A session that has looked around and waits, with its way to B."""

    context: TargetContext
    session: TargetSession
    forwarded: ForwardedSocket

    async def run(self, step: Step, on_output: OnOutput | None = None, *, quota: str) -> BorgResult:
        """Let T's borg do its errand; `heard` is given what it says, without it those who watch are told.

        `quota` is how large the repository may get.

        Raises Failure when the road breaks, and TamperedError when the gate stopped the session.
        """
        context = self.context
        gated = context.target.gate or context.config.sockets
        return await self.session.run(
            context.request(step, append_only=True, quota=quota, gated=gated),
            accept=self.forwarded.accept,
            passphrase=context.target.borg_target.passphrase.get_secret_value(),
            on_output=on_output or context.events.output_handler(f"borg {context.party}", step),
        )


@asynccontextmanager
async def opened(context: TargetContext, master: Master, command_for: TargetCommand) -> AsyncIterator[Opened]:
    """Open a session for `errand`, for as long as the context lasts. Raises Failure when T lacks what it takes."""
    transport, directory = context.target.transport, context.server.directory
    async with (
        open_target(master, command_for) as session,
        forward_socket(master, session.folder, transport=transport, directory=directory) as forwarded,
    ):
        yield Opened(context, session, forwarded)


async def seen_there(context: TargetContext, master: Master, ready: Opened | None) -> str:
    """Return the id of a repository that borg on T has seen at the place of this one, "" for none.

    It is asked in a session of its own where none has looked around yet. What root's borg has seen (Sudo) is not known.
    """
    if ready or context.target.sudo_user:
        return ready.session.seen if ready else ""
    return await ask_seen(master, context.repository.location)


def connected_target(context: TargetContext) -> AbstractAsyncContextManager[Master]:
    """Connect to the target itself, for as long as the context lasts. Raises Failure."""
    return open_master(
        context.target.connection,
        party=context.party,
        directory=context.server.directory,
        on_output=lambda line: context.events.said(f"ssh {context.party}", line),
    )
