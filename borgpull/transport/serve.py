"""The end of every road: one connection on C, from the one entrance there is, handed to a `borg serve` on B.

The connection becomes stdin and stdout of the session on B; the ssh client passes the descriptors on to the master, so
no byte goes through Python, but where a gate is asked for. At an entrance that is a socket nobody but the process that
`admits` names is let in.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .. import process, ssh
from ..borg import command as borg_command
from ..borg.failure import missing_borg
from ..borg.output import Line, Message, Messages, read_line
from ..errors import Failure
from ..gate import GateReport, pass_gate, through_gate
from .socket_activation import connected, forwarded_socket, no_serve_answers

# How long a serve may take to see that its client has gone: it commits or drops what it holds.
END_SECONDS = 60.0
# How long it may take when the road is given up: what it did not commit by then is lost.
_LAST_SECONDS = 5.0
_SHELL_NOT_FOUND = 127
# Borg obeys SSH_ORIGINAL_COMMAND, which a `command=` wrapper in authorized_keys leaves behind.
# It is registered first, so that B itself can end it, should the connection or C die; when that is no longer possible,
# the run has lost its lock, and nothing may be done any more. When it began stands behind the name of the program.
_SCRIPT = (
    'umask 077; unset SSH_ORIGINAL_COMMAND; echo "$1 $$" >&2; if [ -n "$2" ]; then began=; '
    '{ read -r began <"/proc/$$/stat"; began=${began##*) }; began=$(set -- $began; echo "${20}"); } 2>/dev/null; '
    '[ -n "$began" ] || [ ! -e /proc/self/stat ] || exit 1; echo "$began" >"$2/serve.$$" || exit 1; fi; shift 2; '
    'exec env TZ=UTC LC_ALL=C.UTF-8 "$@"'
)

OnOutput = Callable[[Line], None]
# Waits for the one client of a road, and returns the connection with it; None when nobody can come any more.
Accept = Callable[[], Awaitable[socket.socket | None]]


@dataclass
class Root:
    """RootDir: whether borgpull had nothing there when the run began, and nobody has told so yet."""

    is_new: bool = False


@dataclass(frozen=True)
class BackupServer:
    """B, connected: its borg, the private directory of this run on C, and what is known of RootDir.

    `master` is the connection with a place for a serve, `lasting` the one with a place for a lasting session.
    """

    master: ssh.Master
    lasting: ssh.Master
    borg: str
    directory: Path
    root: Root = field(default_factory=Root)


@dataclass
class ServeResult:
    """One `borg serve` on B: whether a client came, its pid on B, what it said, and its exit status when it ended.

    The status is 0 where it cannot be seen. `over` is set when it has ended, or its connection. `gate` is what the gate
    has to tell, where there is one.
    """

    came: bool = False
    pid: int | None = None
    status: int | None = None
    said: Messages = field(default_factory=Messages)
    gate: GateReport = field(default_factory=GateReport)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, kw_only=True)
class ServeRequest:
    """What a road leads to: the repository at `path` on B.

    `heard` is given what the serve says; `registry` is the folder on B in which it is registered, if any; `quota` is
    how large the repository may get, empty for no limit. `gated` has what the client asks for read on its way, and
    stopped where it is more than an honest `borg create` asks for. `socket` is where on B a serve is to be found, empty
    where it is to be started; what it may do is then for B to say, and it cannot be registered.
    """

    server: BackupServer
    path: str
    append_only: bool
    on_output: OnOutput
    registry: str = ""
    quota: str = ""
    gated: bool = False
    socket: str = ""


@contextlib.asynccontextmanager
async def serve(request: ServeRequest, accept: Accept) -> AsyncIterator[ServeResult]:
    """Have a serve on B for the one client that comes through `entrance`; yields what becomes of it.

    On leaving, the serve has ended: its client is gone by then, so its input is at its end. Raises Failure when it
    does not end, or could not be started.
    """
    served = ServeResult()
    answer = asyncio.create_task(_answer(request, accept, served))
    try:
        yield served
        if served.came:
            await _ended(answer, request.server)
    except BaseException:
        if served.came:
            await asyncio.wait({answer}, timeout=_LAST_SECONDS)
        raise
    finally:
        answer.cancel()
        await asyncio.wait({answer})


async def _ended(answer: asyncio.Task[None], server: BackupServer) -> None:
    await asyncio.wait({answer}, timeout=END_SECONDS)
    if not answer.done():
        raise Failure(
            server.master.party,
            "borg serve did not end when its client had gone",
            hint="see on B whether its disk hangs; the next run waits for that borg serve, or end it by hand",
        )
    await answer


@contextlib.contextmanager
def listening(directory: Path, *, allowed: Callable[[int], bool]) -> Iterator[tuple[Path, Accept]]:
    """Listen on a fresh socket in `directory`, for one client whose pid `admits` accepts; yields it, and the entrance.

    A client that was let in closes the door: the socket is gone, and nobody comes after it.
    """
    place = directory / f"s{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(str(place))
        listener.listen(1)

        async def accept_once() -> socket.socket:
            connection = await _accept(listener, allowed)
            place.unlink(missing_ok=True)
            listener.close()
            return connection

        try:
            yield place, accept_once
        finally:
            place.unlink(missing_ok=True)


async def _answer(request: ServeRequest, accept: Accept, served: ServeResult) -> None:
    connection = await accept()
    if connection is None:
        return
    with connection:
        served.came = True
        try:
            if request.socket:
                await _joined(request, connection, served)
                return
            async with _gate(request, connection, served) as end:
                await _serving(request, end, served)
        finally:
            served.over.set()
    await _explain(request.server, served)


async def _joined(request: ServeRequest, connection: socket.socket, served: ServeResult) -> None:
    """Join the client through the gate with the serve behind B's socket; its end is the end of its answers."""
    master = request.server.master
    async with forwarded_socket(master, request.socket, request.server.directory) as place:
        with await connected(place) as serving:
            await pass_gate(connection, serving, request.path, served.gate)
    if not master.alive and (lost := await master.lost()):
        raise lost
    if served.gate.broken:
        raise no_serve_answers(master.party, request.socket)
    served.status = None if served.gate.refused else 0


def _gate(
    request: ServeRequest, connection: socket.socket, served: ServeResult
) -> contextlib.AbstractAsyncContextManager[socket.socket]:
    if request.gated:
        return through_gate(connection, request.path, served.gate)
    return contextlib.nullcontext(connection)


async def _serving(request: ServeRequest, connection: socket.socket, served: ServeResult) -> None:
    server = request.server
    mark = secrets.token_hex(16)
    words = borg_command.serve(server.borg, request.path, append_only=request.append_only, quota=request.quota)
    command = process.Command("exec")["sh", "-c", _SCRIPT, "sh", mark, request.registry, words]
    async with ssh.session(server.master, command, stdin=connection.fileno(), stdout=connection.fileno()) as child:
        connection.close()
        await _listen(child, mark, served, request.on_output)
        served.status = await child.wait()


async def _accept(listener: socket.socket, allowed: Callable[[int], bool]) -> socket.socket:
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if allowed(struct.unpack("3i", credentials)[0]):
            return connection
        connection.close()


async def _listen(child: process.Child, mark: str, served: ServeResult, on_output: OnOutput) -> None:
    async for line in process.lines(child.stderr):
        if line.startswith(mark.encode()):
            served.pid = _pid(line, mark)
        elif read := read_line(line):
            if isinstance(read, Message):
                served.said.add(read)
            on_output(read)


def _pid(line: bytes, mark: str) -> int | None:
    said = re.fullmatch(rb"%b ([0-9]{1,10})" % mark.encode(), line)
    return int(said[1]) if said else None


async def _explain(server: BackupServer, served: ServeResult) -> None:
    master, began = server.master, served.pid is not None
    said = "\n".join(message.text for message in served.said.others)
    if failure := await ssh.explain_exit(master, served.status, said, began=began, doing="start borg serve"):
        raise failure
    if not began:
        raise ssh.no_shell(master.party, said)
    if served.status == _SHELL_NOT_FOUND:
        raise missing_borg(server.master.party, server.borg)
    if served.gate.broken:
        raise Failure(
            server.master.party,
            f"borg serve does not say which objects the repository holds: {served.gate.broken}",
            hint="run `borg check` on it there; only the gate (Gate = true) asks this",
        )
