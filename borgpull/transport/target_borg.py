"""Borg on the target: a session that makes a folder, waits for the passphrase, runs one borg, and cleans up after it.

Whatever that borg does, through its session the target can only add. The socket in the folder connects it to the
controller, once. What the target says is untrusted: it is bounded, and a success that borg reports proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from .. import process, ssh
from ..borg import WARNED, WARNINGS
from ..borg.failure import not_connected, unread_warning
from ..errors import Failure, TamperedError
from ..untrusted import clean, last_lines
from .forwarding import forward_socket
from .local_borg import BorgResult, follow
from .serve import Accept, OnOutput, ServeRequest, ServeResult, serve
from .target_commands import TargetCommand

# A checkpoint is written after the interrupt: that may take some seconds on a slow link.
END_SECONDS = 30.0
# The exit status of the script when it could not make a folder.
_NO_FOLDER = 91
# Short enough for the socket's name: the path of a unix socket has 107 bytes (seen on 8.4 to 10.5).
_FOLDER = re.compile(r"(?=.{,100}\Z)(?:/(?!\.{1,2}/)[A-Za-z0-9._-]+)+/borgpull\.[0-9a-f]{10}")


@dataclass
class OpenSession:
    """A session on the target that waits for the passphrase. Its borg finds its repository at `borg` in `folder`.

    The session ends by itself when its standard input does.
    """

    party: str
    child: process.Child
    folder: str = ""
    deadline: float | None = None

    def end_input(self, *, patience: float = END_SECONDS) -> float:
        """Close the standard input; return by when the session has to have ended, by the clock of the event loop.

        The first patience counts, however often it is closed.
        """
        self.child.close_stdin()
        if self.deadline is None:
            self.deadline = asyncio.get_running_loop().time() + patience
        return self.deadline

    async def run_borg(self, result: BorgResult, stdin: bytes, on_output: OnOutput) -> None:
        """Give the session its standard input, and wait for the end of its borg; all of it goes into `result`."""
        try:
            await self.child.write(stdin)
            async with ssh.beating(self.child), self._ending_after(result.served):
                await follow(self.child, result, on_output, self.read_output())
        except BaseException:
            # The socket has to last until borg has written its checkpoint, and its output has to be read.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self.end_input()):
                    await follow(self.child, result, on_output, self.read_output())
            raise

    @contextlib.asynccontextmanager
    async def _ending_after(self, served: ServeResult) -> AsyncIterator[None]:
        """Raise Failure when the context lasts longer than it needs to after borg serve has ended."""
        try:
            async with asyncio.timeout(None) as limit:
                watch = asyncio.create_task(self._limit_after(served, limit))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError:
            cause = "its session did not end after borg serve on the backup server had ended"
            raise Failure(self.party, cause, hint="look there for a borg or an ssh session that hangs") from None

    async def _limit_after(self, served: ServeResult, limit: asyncio.Timeout) -> None:
        await served.over.wait()
        if served.status == 0:
            # The client has finished with its serve: it writes its caches, and has yet to report.
            await asyncio.sleep(END_SECONDS)
        limit.reschedule(self.end_input())

    async def read_output(self) -> bytes:
        return (await process.read_all(self.child.stdout, most=process.MOST_OUTPUT))[0]


async def run_on_target(
    master: ssh.Master, command: TargetCommand, request: ServeRequest, *, on_output: OnOutput
) -> BorgResult:
    """Run a command on the target; `request` is for the serve that gives it the repository.

    Raises Failure when a connection breaks, and TamperedError when the gate stopped the session. When it is cancelled,
    borg first writes its checkpoint.
    """
    target, mark, result = command.context.target, secrets.token_hex(16), BorgResult(name=command.context.target.name)
    stdin = target.borg_target.passphrase.get_secret_value().encode() + b"\n" + command.after_passphrase(mark)
    directory = request.server.directory
    with _raising_what_the_gate_refused(master.party, result):
        async with (
            open_session(master, command, mark) as session,
            forward_socket(master, session.folder, target=target, directory=directory) as forwarded,
            serve(request, forwarded.accept) as result.served,
        ):
            result.fell_back = forwarded.fell_back
            await session.run_borg(result, stdin, on_output)
    if result.status != 0 and not result.is_unknown:
        await _raise_unless_connected(master, result)
    if result.status in WARNINGS:
        if not result.said.warned:
            raise unread_warning(master.party, result.status, result.said)
        result.status = WARNED
    return result


async def try_borg(master: ssh.Master, session: OpenSession, accept: Accept) -> None:
    """Start the borg of a session of TryTransport, and hang up when it has connected.

    Its passphrase opens nothing. A borg that gets no answer writes nothing on its host (1.2.4, 1.4.5). Raises Failure
    when it does not connect.
    """
    result = BorgResult()
    greeting = asyncio.create_task(_read_greeting(accept, result.served))
    try:
        await session.run_borg(result, secrets.token_hex(16).encode() + b"\n", lambda _: None)
    finally:
        greeting.cancel()
    await _raise_unless_connected(master, result)


async def _read_greeting(accept: Accept, served: ServeResult) -> None:
    """See whether a client comes in time, and begins as each borg does: with a call of `negotiate`."""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(ssh.BEGIN_SECONDS):
            if connection := await accept():
                with connection:
                    said, loop = b"", asyncio.get_running_loop()
                    while not served.came and len(said) < 4096 and (more := await loop.sock_recv(connection, 4096)):
                        said += more
                        served.came = b"negotiate" in said
    served.over.set()


async def _raise_unless_connected(master: ssh.Master, result: BorgResult) -> None:
    if failure := await ssh.explain_exit(master, result.status, "", began=True):
        raise failure
    if not result.served.came:
        raise not_connected(master.party, result.status, result.said)


@contextlib.contextmanager
def _raising_what_the_gate_refused(party: str, result: BorgResult) -> Iterator[None]:
    """Raise TamperedError when the gate stopped the session, whatever else failed with it."""
    try:
        yield
    except Failure:
        if not result.served.gate.refused:
            raise
    if result.served.gate.refused:
        raise TamperedError(
            party,
            "its borg was stopped by the gate",
            findings=(result.served.gate.refused,),
            hint="no older object was touched, and its repository stays open: find out who controls that host before "
            "the next run; nothing was pruned or compacted",
        )


@contextlib.asynccontextmanager
async def open_session(master: ssh.Master, command: TargetCommand, mark: str) -> AsyncIterator[OpenSession]:
    """Open the session of a command for as long as the context lasts; its folder there goes with it.

    Raises Failure when the target cannot make a folder, or hangs.
    """
    async with ssh.script_session(master, *command.script(mark)) as child:
        session = OpenSession(master.party, child)
        try:
            session.folder = await read_folder(master, session, mark)
            yield session
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(session.end_input()):
                    await child.wait()


async def read_folder(master: ssh.Master, session: OpenSession, mark: str) -> str:
    """Return the folder that the session says it made. Raises Failure when it names none in time, or a wrong one."""
    try:
        async with asyncio.timeout(ssh.BEGIN_SECONDS):
            folder = await ssh.read_marked(session.child.stdout, mark)
            if folder is None:
                said = (await process.read_all(session.child.stderr))[0].decode("utf-8", "replace")
                status = await session.child.wait()
                failure = await ssh.explain_exit(master, status, said, began=False)
                raise failure or _no_folder(master.party, status, said)
    except TimeoutError:
        session.end_input(patience=0)
        raise ssh.not_begun(master.party) from None
    if not _FOLDER.fullmatch(folder):
        hint = "check the shell of that target: it is not what it should be"
        raise Failure(master.party, f"it named a folder that our script does not make: {clean(folder)}", hint=hint)
    return folder


def _no_folder(party: str, status: int, said: str) -> Failure:
    return Failure(
        party,
        f"could not make a folder below TMPDIR or /tmp (exit {status})" + (f": {clean(said)}" if said else ""),
        hint="the account needs /bin/sh, a writable /tmp with room in it, and no `command=` in authorized_keys",
        detail=last_lines(said),
        # With this status mkdir itself failed; with any other a fork may have been refused, or a program killed.
        transient=status != _NO_FOLDER,
    )
