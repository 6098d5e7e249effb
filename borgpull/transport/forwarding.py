"""The first leg of T's road to B: a forward on which T's sshd listens, or socat there in a session of its own.

Either listens on the one socket in the folder of T's session, and leads one client to C, once.
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
from ..config import Transport
from ..errors import Failure
from ..untrusted import clean, last_lines
from .serve import Accept, listening

READY_SECONDS = 60.0
# What a ~/.bashrc may print before socat begins; it is read byte by byte, to take nothing of what comes after it.
_MOST_NOISE = 64 * 1024

# Arguments: mark, the folder of T's session. Its pid lies in the folder, for that session to end it: socat does not
# look at its input until a client has come. Without `fork` it accepts one client and stops to listen; at -d -d it says
# when it listens (1.7.4). Whichever side ends first, nothing that comes from the other is of use to anybody: -t.
_SOCAT = r"""
umask 077
cd "$2" && echo $$ >socat || exit 1
echo "$1"
exec socat -d -d -t 0.1 -b 262144 UNIX-LISTEN:"$2/borg" STDIO
"""
_LISTENS = b" listening on "


@dataclass(frozen=True)
class ForwardedSocket:
    """A leg that stands: which of the two it is, whether that is because T refused the other, and where it comes in."""

    transport: Transport
    fell_back: bool
    accept: Accept


@asynccontextmanager
async def forward_socket(
    master: ssh.Master, folder: str, *, transport: Transport | None, directory: Path
) -> AsyncIterator[ForwardedSocket]:
    """Lead the socket `borg` in `folder`, that of T's session, to C for as long as the context lasts.

    Without a `road` it is a forward, and socat where T's sshd refuses one. `directory` is the private one of this run.
    Raises Failure when T lets neither be had.
    """
    async with AsyncExitStack() as stack:
        refused: Failure | None = None
        if transport is not Transport.STDIO:
            try:
                accept = await stack.enter_async_context(_forwarded(master, f"{folder}/borg", directory))
            except ssh.ForwardRefused as failure:
                if transport is Transport.FORWARD:
                    raise
                refused = failure
        used = Transport.FORWARD if transport is not Transport.STDIO and refused is None else Transport.STDIO
        if used is Transport.STDIO:
            accept = await stack.enter_async_context(_through_socat(master, folder, refused))
        yield ForwardedSocket(used, refused is not None, accept)


@asynccontextmanager
async def _forwarded(master: ssh.Master, remote: str, directory: Path) -> AsyncIterator[Accept]:
    # Whoever comes over the forward is, on C, the master of T.
    with listening(directory, allowed=lambda pid: pid == master.pid) as (place, accept):
        await master.forward_remote(remote, place)
        try:
            yield accept
        finally:
            await master.cancel(remote, place)


@asynccontextmanager
async def _through_socat(master: ssh.Master, folder: str, refused: Failure | None) -> AsyncIterator[Accept]:
    """Have socat on T listen, its standard input and output one end of a pair of sockets here.

    In the place of a look at the peer: a pair has no name that anybody could connect to, and its other end is held by
    the master of T alone, to which the client that we start passes it.
    """
    mark = secrets.token_hex(16)
    command = process.Command("exec")["sh", "-c", _SOCAT, "sh", mark, folder]
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    async with process.pipe() as (heard, stderr):
        with ours, theirs, stderr:
            end = theirs.fileno()
            async with ssh.session(master, command, stdin=end, stdout=end, stderr=stderr) as child:
                theirs.close()
                stderr.close()
                said = process.Tail()
                async with _listening_socat(heard, said) as listens:
                    if not (await _begun(ours, mark) and await listens):
                        raise await _why(master, child, said, refused)
                    yield functools.partial(_come, ours)


@asynccontextmanager
async def _listening_socat(heard: asyncio.StreamReader, said: process.Tail) -> AsyncIterator[asyncio.Future[bool]]:
    """Read what socat says for as long as the context lasts; yields what will tell whether it listens."""
    listens: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        async for line in process.lines(heard):
            said.add(clean(line))
            if _LISTENS in line and not listens.done():
                listens.set_result(True)
        if not listens.done():
            listens.set_result(False)

    task = asyncio.create_task(listen())
    try:
        yield listens
    finally:
        task.cancel()


async def _begun(ours: socket.socket, mark: str) -> bool:
    """Read past what a ~/.bashrc prints, up to the line that says `mark`; tell whether it came."""
    wanted = f"{mark}\n".encode()
    held = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            for _ in range(_MOST_NOISE):
                letter = await asyncio.get_running_loop().sock_recv(ours, 1)
                held = (held + letter)[-len(wanted) :]
                if held == wanted or not letter:
                    break
    return held == wanted


async def _why(master: ssh.Master, child: process.Child, said: process.Tail, refused: Failure | None) -> Failure:
    with contextlib.suppress(TimeoutError):
        await child.wait(2)
    failure = await ssh.explain_exit(master, child.returncode, said.text, began=False) or Failure(
        master.party,
        f"socat cannot listen there: {clean(said.text) or 'it did not say why'}",
        hint="log in there and see what is slow or in its way: a ~/.bashrc that waits, a full /tmp",
        detail=last_lines(said.text),
    )
    if refused is not None:
        failure.hint += f"; or let it forward: {refused.hint}"
    return failure


async def _come(ours: socket.socket) -> socket.socket | None:
    """Wait for the first byte of the client of T's socket, without taking it; None when socat has ended."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(ours)
    return ours if ours.recv(1, socket.MSG_PEEK) else None
