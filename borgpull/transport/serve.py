"""The end of each transport: one client on the controller, handed to a `borg serve` on the backup server.

The connection becomes stdin and stdout of a session there; the ssh client passes the descriptors on to its master, so
no byte goes through Python, except through a gate. A socket here accepts the allowed process alone; a borg of our own
has pipes from the start, and its serve starts beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from .. import process, ssh
from ..borg import command_lines as borg_command
from ..borg.failure import missing_borg, not_unpacked
from ..borg.locks import OWN_LOCKS
from ..borg.output import Line, Message, Messages, read_line
from ..errors import Failure
from ..gate import GateReport, pass_gate, through_gate
from .socket_activation import connect_to, forwarded_socket, no_serve_answers

# How long a serve may take to see that its client has gone: it commits or drops what it holds.
END_SECONDS = 60.0
# How long it may take when the run gives up: what it did not commit by then is lost.
_LAST_SECONDS = 5.0
_SHELL_NOT_FOUND = 127
# Borg obeys SSH_ORIGINAL_COMMAND, which a `command=` wrapper in authorized_keys leaves behind.
# The serve registers itself first, so that the backup server can end it, should the connection or the controller die;
# when it cannot, the run has lost its lock, and must not go on. The file has its pid in the name, and its start time.
SERVE = (
    ssh.BEGAN
    + borg_command.DROP_SETTINGS
    + OWN_LOCKS
    + r"""
own
umask 077
unset SSH_ORIGINAL_COMMAND
echo "$1 $$" >&2
if [ -n "$2" ]; then
  began $$
  [ -n "$began" ] || [ ! -e /proc/self/stat ] || exit 1
  echo "$began" >"$2/serve.$$" || exit 1
fi
shift 2
for path; do :; done
own_locks "$path"
exec env TZ=UTC LC_ALL=C.UTF-8 "$@"
"""
)

OnOutput = Callable[[Line], None]
# Waits for the one client and returns its connection; None when no client can come any more.
Accept = Callable[[], Awaitable[socket.socket | None]]


@dataclass(frozen=True)
class Ends:
    """What becomes stdin and stdout of a serve: a socket for both, or the ends of two pipes that a client has too."""

    stdin: socket.socket | IO[bytes]
    stdout: socket.socket | IO[bytes]

    def close(self) -> None:
        self.stdin.close()
        self.stdout.close()


class Registry(Protocol):
    """A session on the backup server, with a folder for the processes that work for it."""

    folder: str

    @property
    def ask(self) -> ssh.Ask: ...


@dataclass
class Root:
    """RootDir: whether a target has warned in this run that borgpull never had anything there."""

    has_warned: bool = False


@dataclass(frozen=True)
class BackupServer:
    """The backup server, connected: its borg, the private directory of this run here, and what is known of RootDir.

    `master` is the connection with room for a serve, `lasting` the one with room for a lasting session; `jumps` are the
    jump hosts of this run.
    """

    master: ssh.Master
    lasting: ssh.Master
    borg: str
    directory: Path
    root: Root = field(default_factory=Root)
    jumps: ssh.JumpHosts = field(default_factory=ssh.JumpHosts)


@dataclass
class ServeResult:
    """One `borg serve`: whether a client came, its pid on the backup server, its messages, and its exit status.

    The status is 0 where it cannot be seen, None until the serve has ended. `over` is set when it, or its connection,
    has ended. `gate` is the report of the gate, where there is one.
    """

    came: bool = False
    pid: int | None = None
    status: int | None = None
    said: Messages = field(default_factory=Messages)
    gate: GateReport = field(default_factory=GateReport)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, kw_only=True)
class ServeRequest:
    """What a client is connected to: a serve for the repository at `path` on the backup server.

    `on_output` is given what the serve says; `registry` is the session there in which it registers, if any; `quota`
    limits the size of the repository, "" does not. With `gated` a gate reads what the client asks for, and stops what
    is more than an honest `borg create` asks for. `socket` is that of a serve there which systemd starts, "" where we
    start it; what such a serve may do is the server's decision, and it does not register.
    """

    server: BackupServer
    path: str
    append_only: bool
    on_output: OnOutput
    registry: Registry | None = None
    quota: str = ""
    gated: bool = False
    socket: str = ""


@contextlib.asynccontextmanager
async def serve(request: ServeRequest, client: Accept | Ends) -> AsyncIterator[ServeResult]:
    """Start a serve for the one client that an `Accept` returns, or at once for its ends; yields what becomes of it.

    When the context ends the client is gone, and the serve has ended too. Raises Failure when it does not end, or could
    not be started.
    """
    result = ServeResult()
    task = asyncio.create_task(_serve(request, client, result))
    try:
        yield result
        if result.came:
            await asyncio.wait({task}, timeout=END_SECONDS)
            if not task.done():
                hint = "check there whether the disk hangs; the next run waits for that borg serve, or stop it"
                party = request.server.master.party
                raise Failure(party, "borg serve did not end when its client had gone", hint=hint)
            await task
    except BaseException:
        if result.came:
            await asyncio.wait({task}, timeout=_LAST_SECONDS)
        raise
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextlib.contextmanager
def listening(directory: Path, *, allowed: Callable[[int], bool]) -> Iterator[tuple[Path, Accept]]:
    """Listen on a fresh socket in `directory` for one client whose pid is `allowed`; yields its path, and `accept`.

    The first such client closes the listener and removes the socket.
    """
    path = directory / f"s{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(str(path))
        listener.listen(1)

        async def accept_once() -> socket.socket:
            connection = await _accept(listener, allowed)
            path.unlink(missing_ok=True)
            listener.close()
            return connection

        try:
            yield path, accept_once
        finally:
            path.unlink(missing_ok=True)


async def _serve(request: ServeRequest, client: Accept | Ends, result: ServeResult) -> None:
    async with contextlib.AsyncExitStack() as stack:
        run: Callable[..., Awaitable[None]] = functools.partial(_connect_to_socket, request, result)
        if not request.socket:
            server, mark = request.server, secrets.token_hex(16)
            words = borg_command.serve(server.borg, request.path, append_only=request.append_only, quota=request.quota)
            # What it reads comes from the client: its script is stored, while the client begins.
            folder, through = (request.registry.folder, request.registry.ask) if request.registry else ("", None)
            stored = ssh.stored(server.master, SERVE, mark, folder, *words, through=through)
            run = functools.partial(_run_serve, request, result, mark, await stack.enter_async_context(stored))
        connection = client if isinstance(client, Ends) else await client()
        if connection is None:
            return
        with contextlib.closing(connection):
            result.came = True
            try:
                await run(connection)
            finally:
                result.over.set()
    if not request.socket:
        await _raise_unless_ran(request.server, result)


async def _connect_to_socket(request: ServeRequest, result: ServeResult, connection: socket.socket) -> None:
    """Connect the client, through the gate, to the serve behind a socket there; it ends when that answers no more."""
    master = request.server.master
    async with forwarded_socket(master, request.socket, request.server.directory) as path:
        with await connect_to(path) as serving:
            await pass_gate(connection, serving, request.path, result.gate)
    if not master.alive and (lost := await master.lost()):
        raise lost
    if result.gate.broken:
        raise no_serve_answers(master.party, request.socket)
    result.status = None if result.gate.refused else 0


async def _run_serve(
    request: ServeRequest, result: ServeResult, mark: str, script: ssh.Script, connection: socket.socket | Ends
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        command = await script()
        if isinstance(connection, socket.socket):
            if request.gated:
                gate = through_gate(connection, request.path, result.gate)
                connection = await stack.enter_async_context(gate)
            connection = Ends(connection, connection)
        with contextlib.closing(connection) as ends:
            stdin, stdout = ends.stdin.fileno(), ends.stdout.fileno()
            session = ssh.session(request.server.master, command, stdin=stdin, stdout=stdout)
            child = await stack.enter_async_context(session)
        try:
            async with asyncio.timeout(ssh.BEGIN_SECONDS) as limit:
                await read_messages(child.stderr, mark, result, request.on_output, lambda: limit.reschedule(None))
        except TimeoutError:
            raise ssh.not_begun(request.server.master.party) from None
        result.status = await child.wait()


async def _accept(listener: socket.socket, allowed: Callable[[int], bool]) -> socket.socket:
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if allowed(struct.unpack("3i", credentials)[0]):
            return connection
        connection.close()


async def read_messages(
    stderr: asyncio.StreamReader, mark: str, result: ServeResult, on_output: OnOutput, begun: Callable[[], object]
) -> None:
    """Read what a serve says to its end; its pid is on the line that begins with `mark`, when `begun` is called."""
    async for line in process.lines(stderr):
        if line.startswith(mark.encode()):
            found = re.fullmatch(rb"%b ([0-9]{1,10})" % mark.encode(), line)
            result.pid = int(found[1]) if found else None
            begun()
        else:
            on_line(line, result.said, on_output)


def on_line(line: bytes, messages: Messages, on_output: OnOutput) -> None:
    """Pass on a line of a borg's standard error, and keep it if it is a message."""
    if read := read_line(line):
        if isinstance(read, Message):
            messages.add(read)
        on_output(read)


async def _raise_unless_ran(server: BackupServer, result: ServeResult) -> None:
    master, began = server.master, result.pid is not None
    said = "\n".join(message.text for message in result.said.others)
    if failure := await ssh.explain_exit(master, result.status, said, began=began, doing="start borg serve"):
        raise failure
    if not began:
        raise ssh.no_shell(master.party, said)
    if result.status == _SHELL_NOT_FOUND:
        # A standalone borg ends so where it cannot load what it unpacked.
        raise not_unpacked(master.party, said) or missing_borg(master.party, server.borg)
    if result.gate.broken:
        cause = f"borg serve does not say which objects the repository holds: {result.gate.broken}"
        raise Failure(master.party, cause, hint="run `borg check` on it there; only the gate (Gate = true) asks this")
