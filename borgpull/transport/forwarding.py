"""The socket on the target, connected to the controller: by its sshd (ssh -R), or by socat in a session of its own.

Either listens on the one socket in the folder of the target's session, and connects one client to the controller, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import process, ssh
from ..config import Target, Transport
from ..errors import Failure
from ..untrusted import clean, last_lines
from .serve import Accept, listening

READY_SECONDS = 60.0
# What a ~/.bashrc may print before socat begins; it is read byte by byte, to take nothing of what comes after it.
_MOST_NOISE = 64 * 1024

# What it reads comes from the backup server, so it is stored before. Arguments: mark, the folder of the target's
# session, socat. The pid in the folder lets that session end socat, which does not read its input until a client has
# connected. Without `fork` it accepts one client and stops listening; with -d -d it says when it listens (1.7.4). When
# one side ends, what still comes from the other is of no use: -t.
_SOCAT = r"""
own
umask 077
cd "$2" && echo $$ >socat || exit 1
echo "$1"
exec "$3" -d -d -t 0.1 -b 262144 UNIX-LISTEN:"$2/borg" STDIO
"""
_LISTENS = b" listening on "


@dataclass(frozen=True)
class ForwardedSocket:
    """The transport in use, whether it is in place of one that the target refused, and what waits for the client."""

    transport: Transport
    fell_back: bool
    accept: Accept


@asynccontextmanager
async def forward_socket(
    master: ssh.Master, folder: str, *, target: Target, directory: Path
) -> AsyncIterator[ForwardedSocket]:
    """Connect the socket `borg` in `folder`, that of the target's session, to the controller.

    Without a Transport of `target` sshd forwards it, or socat does where sshd refuses. `directory` is the private one
    of this run. Raises Failure when the target allows neither.
    """
    async with AsyncExitStack() as stack:
        used, refused = target.transport or Transport.FORWARD, None
        if used is Transport.FORWARD:
            try:
                accept = await stack.enter_async_context(_forwarded(master, f"{folder}/borg", directory))
            except ssh.ForwardRefused as failure:
                if target.transport is Transport.FORWARD:
                    raise
                used, refused = Transport.STDIO, failure
        if used is Transport.STDIO:
            try:
                accept = await stack.enter_async_context(_through_socat(master, folder, target.socat_path))
            except Failure as failure:
                if refused is not None:
                    failure.hint += f"; or let it forward: {refused.hint}"
                raise
        yield ForwardedSocket(used, refused is not None, accept)


@asynccontextmanager
async def _forwarded(master: ssh.Master, remote: str, directory: Path) -> AsyncIterator[Accept]:
    # A client that comes through the forward is, here, the master of the target.
    with listening(directory, allowed=lambda pid: pid == master.pid) as (local, accept):
        await master.forward_remote(remote, local)
        try:
            yield accept
        finally:
            await master.cancel(remote, local)


@asynccontextmanager
async def _through_socat(master: ssh.Master, folder: str, socat: str) -> AsyncIterator[Accept]:
    """Have socat on the target listen; its standard input and output are one end of a pair of sockets here.

    No peer has to be checked: a pair has no name to connect to, and only the master of the target has its other end,
    which our ssh client passes to it.
    """
    mark = secrets.token_hex(16)
    async with ssh.stored(master, _SOCAT, mark, folder, socat) as script, process.pipe() as (errors, stderr):
        command = await script()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs, stderr:
            end = theirs.fileno()
            async with ssh.session(master, command, stdin=end, stdout=end, stderr=stderr) as child:
                theirs.close()
                stderr.close()
                said = process.Tail()
                async with _reading_socat(errors, said) as listens:
                    if not (await _skip_noise(ours, mark) and await listens):
                        raise await _explain(master, child, said)
                    yield functools.partial(_wait_for_client, ours)


@asynccontextmanager
async def _reading_socat(errors: asyncio.StreamReader, said: process.Tail) -> AsyncIterator[asyncio.Future[bool]]:
    """Keep in `said` what socat says, for as long as the context lasts; yields the future of whether it listens."""
    listens: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        async for line in process.lines(errors):
            said.add(clean(line))
            if _LISTENS in line and not listens.done():
                listens.set_result(True)
        if not listens.done():
            listens.set_result(False)

    task = asyncio.create_task(read())
    try:
        yield listens
    finally:
        task.cancel()


async def _skip_noise(ours: socket.socket, mark: str) -> bool:
    """Read past what a ~/.bashrc prints, up to the line `mark`; return whether it came in time."""
    wanted = f"{mark}\n".encode()
    last = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            for _ in range(_MOST_NOISE):
                byte = await asyncio.get_running_loop().sock_recv(ours, 1)
                last = (last + byte)[-len(wanted) :]
                if last == wanted or not byte:
                    break
    return last == wanted


async def _explain(master: ssh.Master, child: process.Child, said: process.Tail) -> Failure:
    with contextlib.suppress(TimeoutError):
        await child.wait(2)
    return await ssh.explain_exit(master, child.returncode, said.text, began=False) or Failure(
        master.party,
        f"its socat could not listen: {clean(said.text) or 'it did not say why'}",
        hint="log in there and look for what is slow or blocks it: a ~/.bashrc that waits, a full /tmp",
        detail=last_lines(said.text),
    )


async def _wait_for_client(ours: socket.socket) -> socket.socket | None:
    """Wait for the first byte of the client on the target, without reading it; None when socat has ended."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(ours)
    return ours if ours.recv(1, socket.MSG_PEEK) else None
