"""Borg on T: one session that looks around, waits for the passphrase, runs one borg, and cleans up after itself.

That borg creates an archive, of files or of what a command prints, or extracts one; through any of these sessions T can
only add, and the road is the same.

T's socket leads to C over the first leg of the road, once. What T says is hostile: it is bounded, and a borg that
claims success is not believed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from .. import process, ssh
from ..errors import Failure, TamperedError
from ..retention import Source
from .local_borg import BorgResult, attend
from .preflight import refuse_too_long
from .reported import look
from .serve import Accept, OnOutput, ServeRequest, ServeResult, serve
from .target_commands import CreateFromCommand, TargetCommand

# A checkpoint is written after the interrupt: that may take some seconds on a slow link.
END_SECONDS = 30.0
_BEGIN_SECONDS = 60.0


class _Lifeline:
    """The input of T's session, at whose end it ends by itself: in the time first given to it, however often let go."""

    def __init__(self, child: process.Child) -> None:
        self._child = child
        self._deadline: float | None = None

    def let_go(self, *, patience: float = END_SECONDS) -> float:
        """End the input; return by when the session has to have ended, by the clock of the event loop."""
        self._child.close_stdin()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + patience
        return self._deadline


@dataclass(frozen=True)
class TargetSession:
    """A session on T that has looked around and waits. Its borg will look for the repository at `borg` in `folder`.

    `sources` is what T reported of the source paths, `seen` which repository its borg has seen at that place.
    """

    master: ssh.Master
    child: process.Child
    lifeline: _Lifeline
    output: AsyncIterator[bytes]
    folder: str
    sources: tuple[Source, ...]
    seen: str
    # The command of a stream, which may hold a password.
    told: bytes = field(repr=False)

    async def run(self, request: ServeRequest, *, accept: Accept, passphrase: str, on_output: OnOutput) -> BorgResult:
        """Let T's borg do its one errand; return what it said when it and the serve on B have ended.

        `entrance` is that of a first leg that leads here from `folder`.

        Raises Failure when the road breaks, and TamperedError when the gate stopped the session. Cancelled, it has borg
        write its checkpoint first.
        """
        ended = BorgResult()
        with _stopped(self.master.party, ended):
            await self._travel(request, accept, ended, passphrase, on_output)
        if broken := await self._broken(ended.status):
            raise broken
        return ended

    async def _travel(
        self, request: ServeRequest, accept: Accept, ended: BorgResult, passphrase: str, on_output: OnOutput
    ) -> None:
        async with serve(request, accept) as served:
            ended.served = served
            try:
                await self.child.write(passphrase.encode() + b"\n" + self.told)
                async with self._outliving(served):
                    await attend(self.child, ended, on_output, self._collect())
            except BaseException:
                await self._interrupt()
                raise

    async def _broken(self, status: int) -> Failure | None:
        """Say how the connection broke, or our end of the session, by the exit status of its ssh."""
        return ssh.killed(self.master.party, status) or (await self.master.lost() if status == ssh.SSH_FAILED else None)

    def moved(self) -> int:
        """Return how many bytes the connection to T has moved so far; -1 when it cannot be told."""
        return self.master.moved()

    @contextlib.asynccontextmanager
    async def _outliving(self, served: ServeResult) -> AsyncIterator[None]:
        """Let T's session live no longer than it needs to after its serve on B; raises Failure when it does."""
        try:
            async with asyncio.timeout(None) as limit:
                watch = asyncio.create_task(self._end_after(served, limit))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError:
            raise Failure(
                self.master.party,
                "its session did not end when borg serve on B had ended",
                hint="look there for a borg or an ssh session that hangs",
            ) from None

    async def _end_after(self, served: ServeResult, limit: asyncio.Timeout) -> None:
        await served.over.wait()
        if served.status == 0:
            # Its client has said good-bye: it writes its caches, and has yet to say what it did.
            await asyncio.sleep(END_SECONDS)
        limit.reschedule(self.lifeline.let_go())

    async def _interrupt(self) -> None:
        # The road to B has to stand until borg has written its checkpoint, and its last words have to be read.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self.lifeline.let_go()), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._collect())
                tasks.create_task(process.read_all(self.child.stderr))
                tasks.create_task(self.child.wait())

    async def _collect(self) -> bytes:
        kept = bytearray()
        async for line in self.output:
            kept += (line + b"\n")[: process.MOST_OUTPUT - len(kept)]
        return bytes(kept)


@contextlib.contextmanager
def _stopped(party: str, ended: BorgResult) -> Iterator[None]:
    """Raise TamperedError when the gate stopped the session, whatever else came of that."""
    try:
        yield
    except Failure:
        if not ended.served.gate.refused:
            raise
    if ended.served.gate.refused:
        raise TamperedError(
            party,
            "its borg was stopped by the gate",
            rules=(ended.served.gate.refused,),
            hint="no older object was touched, and its repository stays open: find out who controls that host before "
            "the next run; nothing was pruned or compacted",
        )


@contextlib.asynccontextmanager
async def _begins(party: str, lifeline: _Lifeline) -> AsyncIterator[None]:
    """Raise Failure when T's session has not looked around in time; there is no more waiting for its end then."""
    try:
        async with asyncio.timeout(_BEGIN_SECONDS):
            yield
    except TimeoutError:
        lifeline.let_go(patience=0)
        raise Failure(
            party,
            f"its shell did not begin within {_BEGIN_SECONDS:.0f} s",
            hint="log in there and see what is slow: the host, a ~/.bashrc that waits, a dead mount in SourcePaths",
        ) from None


@contextlib.asynccontextmanager
async def open_target(master: ssh.Master, command_for: TargetCommand) -> AsyncIterator[TargetSession]:
    """Open the session on T, for as long as the context lasts; its directory there goes with it.

    Raises Failure when T lacks borg, socat or one of the source paths, or hangs.
    """
    mark = secrets.token_hex(16)
    command = command_for.command(mark)
    refuse_too_long(master.party, command)
    async with ssh.session(master, command, stdin=subprocess.PIPE) as child:
        lifeline = _Lifeline(child)
        try:
            output = process.lines(child.stdout)
            async with _begins(master.party, lifeline):
                folder, sources, seen = await look(master, command_for, child, output, mark)
            told = command_for.told(mark) if isinstance(command_for, CreateFromCommand) else b""
            yield TargetSession(master, child, lifeline, output, folder, sources, seen, told)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(lifeline.let_go()):
                    await child.wait()
