"""Borg on the target: a session that makes a folder, waits for the passphrase, runs one borg, and cleans up after it.

Whatever that borg is to do, with its session the target can only add. The socket in the folder leads to the controller,
once. What the target says is untrusted: it is bounded, and a borg that reports success is not believed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from plumbum.commands.base import BaseCommand

from .. import process, ssh
from ..errors import Failure, TamperedError
from ..untrusted import clean, last_lines
from .forwarding import forward_socket
from .local_borg import BorgResult, attend
from .preflight import refuse_too_long
from .serve import OnOutput, ServeRequest, ServeResult, serve
from .target_commands import TargetCommand

# A checkpoint is written after the interrupt: that may take some seconds on a slow link.
END_SECONDS = 30.0
_BEGIN_SECONDS = 60.0
# What the script exits with when it could make no folder.
_NO_FOLDER = 91
# Of a length that leaves room for the socket's name: a unix socket's path has 107 bytes (seen on 8.4 to 10.5).
_FOLDER = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,8}/borgpull\.[A-Za-z0-9]{10}")
_LONGEST_FOLDER = 100


@dataclass
class OpenSession:
    """A session on the target that waits for the passphrase. Its borg looks for its repository at `borg` in `folder`.

    The session ends by itself when its standard input does.
    """

    party: str
    child: process.Child
    output: AsyncIterator[bytes]
    folder: str = ""
    deadline: float | None = None

    def end_input(self, *, patience: float = END_SECONDS) -> float:
        """Close the standard input; return by when the session has to have ended, by the clock of the event loop.

        The time given first counts, however often it is closed.
        """
        self.child.close_stdin()
        if self.deadline is None:
            self.deadline = asyncio.get_running_loop().time() + patience
        return self.deadline

    async def follow(self, ended: BorgResult, text: bytes, on_output: OnOutput) -> None:
        """Give the session its passphrase and what comes after it, and follow its borg to the end, into `ended`."""
        try:
            await self.child.write(text)
            async with self._outliving(ended.served):
                await attend(self.child, ended, on_output, self.collect())
        except BaseException:
            await self._interrupt()
            raise

    @contextlib.asynccontextmanager
    async def _outliving(self, served: ServeResult) -> AsyncIterator[None]:
        """Let the session live no longer than it needs to after its borg serve; raises Failure when it does."""
        try:
            async with asyncio.timeout(None) as limit:
                watch = asyncio.create_task(self._end_after(served, limit))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError:
            raise Failure(
                self.party,
                "its session did not end after borg serve on the backup server had ended",
                hint="look there for a borg or an ssh session that hangs",
            ) from None

    async def _end_after(self, served: ServeResult, limit: asyncio.Timeout) -> None:
        await served.over.wait()
        if served.status == 0:
            # Its client has said good-bye: it writes its caches, and has yet to say what it did.
            await asyncio.sleep(END_SECONDS)
        limit.reschedule(self.end_input())

    async def _interrupt(self) -> None:
        # The socket has to lead on until borg has written its checkpoint, and its last words have to be read.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self.end_input()), asyncio.TaskGroup() as tasks:
                tasks.create_task(self.collect())
                tasks.create_task(process.read_all(self.child.stderr))
                tasks.create_task(self.child.wait())

    async def collect(self) -> bytes:
        kept = bytearray()
        async for line in self.output:
            kept += (line + b"\n")[: process.MOST_OUTPUT - len(kept)]
        return bytes(kept)


async def run_on_target(
    master: ssh.Master, command: TargetCommand, request: ServeRequest, *, on_output: OnOutput
) -> BorgResult:
    """Run a command on the target; its repository is what `request` asks the backup server for.

    Raises Failure when a connection breaks, and TamperedError when the gate stopped the session. Cancelled, it has borg
    write its checkpoint first.
    """
    target, mark, ended = command.context.target, secrets.token_hex(16), BorgResult()
    text = target.borg_target.passphrase.get_secret_value().encode() + b"\n" + command.after_passphrase(mark)
    directory = request.server.directory
    with _stopped(master.party, ended):
        async with (
            open_session(master, command.line(mark), mark) as session,
            forward_socket(master, session.folder, transport=target.transport, directory=directory) as forwarded,
            serve(request, forwarded.accept) as ended.served,
        ):
            ended.fell_back = forwarded.fell_back
            await session.follow(ended, text, on_output)
    if failure := await ssh.explain_exit(master, ended.status, "", began=True):
        raise failure
    return ended


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
            findings=(ended.served.gate.refused,),
            hint="no older object was touched, and its repository stays open: find out who controls that host before "
            "the next run; nothing was pruned or compacted",
        )


@contextlib.asynccontextmanager
async def open_session(master: ssh.Master, line: BaseCommand, mark: str) -> AsyncIterator[OpenSession]:
    """Open the session of a command, by its `line`, for as long as the context lasts; its folder there goes with it.

    Raises Failure when the target can make no folder, or hangs.
    """
    refuse_too_long(master.party, line)
    async with ssh.session(master, line, stdin=subprocess.PIPE) as child:
        session = OpenSession(master.party, child, process.lines(child.stdout))
        try:
            session.folder = await _folder(master, session, mark)
            yield session
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(session.end_input()):
                    await child.wait()


async def _folder(master: ssh.Master, session: OpenSession, mark: str) -> str:
    """Return the folder that the session says it made. Raises Failure when it says none in time, or a wrong one."""
    try:
        async with asyncio.timeout(_BEGIN_SECONDS):
            if (place := await ssh.read_marked(session.child.stdout, mark)) is not None:
                return agreed_folder(master.party, place)
            said = (await process.read_all(session.child.stderr))[0].decode("utf-8", "replace")
            status = await session.child.wait()
            raise await ssh.explain_exit(master, status, said, began=False) or _no_folder(master.party, status, said)
    except TimeoutError:
        session.end_input(patience=0)
        raise Failure(
            master.party,
            f"its shell did not begin within {_BEGIN_SECONDS:.0f} s",
            hint="log in there and see what is slow: the host, or a ~/.bashrc that waits",
        ) from None


def agreed_folder(party: str, place: str) -> str:
    """Return the folder that the target says it made. Raises Failure when it is none that our script makes."""
    if not _FOLDER.fullmatch(place) or len(place) > _LONGEST_FOLDER:
        raise Failure(
            party,
            f"it named a directory that it was not asked for: {clean(place)}",
            hint="look at the shell and the mktemp of that target: they are not what they should be",
        )
    return place


def _no_folder(party: str, status: int, said: str) -> Failure:
    return Failure(
        party,
        f"it could not make a folder below TMPDIR or /tmp (exit {status})" + (f": {clean(said)}" if said else ""),
        hint="the account needs /bin/sh, mktemp, a writable /tmp with room in it, and no `command=` in authorized_keys",
        detail=last_lines(said),
        # With this one it says so itself; with any other a fork may have been refused, or a program killed.
        transient=status != _NO_FOLDER,
    )
