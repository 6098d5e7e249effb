"""Borg on the controller: it reaches its repository through two pipes that only it has.

The passphrase reaches borg through a pipe. Borg's cache is where the operator keeps it, never on the tmpfs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .. import process
from ..borg import WARNED
from ..borg import command_lines as borg_command
from ..borg.failure import explain, is_unknown, missing_borg, speaks_against_repository
from ..borg.output import Messages
from ..errors import CONTROLLER, Failure
from ..guard import MOST_LIST
from .borg_cache import cache_in_use
from .serve import Ends, OnOutput, ServeRequest, ServeResult, on_line, serve
from .socket_activation import forwarded_socket, no_serve_answers, probe_serve

BORG = "borg"
# Reads the standard output of a borg; what it returns becomes that of its BorgResult.
Reader = Callable[[asyncio.StreamReader], Coroutine[None, None, bytes]]
# Borg ends at the next file or chunk after SIGINT, and frees its lock.
_STOP_SIGNALS = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0))
_STDOUT, _STDERR = 1, 2
_Children = AsyncIterator[process.Child]


@dataclass
class BorgResult:
    """A borg client that has ended: its exit status, its standard output, its messages, and its serve.

    `fell_back` says that its target refused to forward a socket, and stdio was used. `name` is the target's.
    """

    status: int = -1
    stdout: bytes = b""
    said: Messages = field(default_factory=Messages)
    served: ServeResult = field(default_factory=ServeResult)
    fell_back: bool = False
    name: str = "NAME"

    def or_raise(self, party: str, command: str, *, warned: bool = False) -> Self:
        """Return itself. Raises Failure unless borg succeeded, or only warned where `warned` allows that."""
        if self.status != 0 and not (warned and self.status == WARNED):
            raise self.failure(party, command)
        return self

    def failure(self, party: str, command: str) -> Failure:
        failure = explain(party, command, self.status, self.said, server=self.served.said)
        failure.hint = failure.hint.replace("NAME", shlex.quote(self.name))
        return failure

    @property
    def is_unknown(self) -> bool:
        """Tell whether it failed with an error that borgpull does not know."""
        return is_unknown(self.status, self.said, server=self.served.said)

    @property
    def speaks_against_repository(self) -> bool:
        """Tell whether the repository itself made it fail, or it does not say what did."""
        return speaks_against_repository(self.status, self.said, server=self.served.said)


@dataclass(frozen=True, kw_only=True)
class LocalBorg:
    """A command line of borg on the controller, and the serve on the backup server that it needs.

    `cache` becomes its BORG_BASE_DIR; it waits `lock_wait` seconds for the repository's lock. Without a passphrase borg
    asks for it. `name` is the target's.
    """

    name: str
    request: ServeRequest
    url: str
    arguments: Sequence[str]
    lock_wait: int
    passphrase: str | None = field(repr=False)
    cache: Path


async def _read_listing(stdout: asyncio.StreamReader) -> bytes:
    return (await process.read_all(stdout, most=MOST_LIST + 1))[0]


async def borg_on_controller(
    local: LocalBorg, *, on_output: OnOutput, folder: Path | None = None, read: Reader | None = None
) -> BorgResult:
    """Run borg in `folder`, and wait until it and its serve have ended; `read` is given its standard output.

    Raises Failure when borg cannot be run, not when it fails.
    """
    async with _running(local, folder=folder) as (child, result):
        await follow(child, result, on_output, (read or _read_listing)(child.stdout))
    return result


async def borg_passthrough(local: LocalBorg, *, stdin: int) -> BorgResult:
    """Run borg at the operator's terminal: it reads from `stdin`, and prints to borgpull's own output.

    Raises Failure when borg cannot be run, not when it fails; its messages are not in the result.
    """
    async with _running(local, stdin=stdin, stdout=_STDOUT, stderr=_STDERR, own_session=False) as (child, result):
        result.status = await child.wait()
    return result


@contextlib.asynccontextmanager
async def _running(local: LocalBorg, **streams: Any) -> AsyncIterator[tuple[process.Child, BorgResult]]:  # noqa: ANN401
    """Start borg, with `streams` as arguments of process.started, and a serve for it; both end with the context."""
    result, server, remote = BorgResult(name=local.name), local.request.server, local.request.socket
    if remote:
        # The socket is in a directory of this run alone: no other process needs to be kept out.
        async with (
            forwarded_socket(server.master, remote, server.directory) as path,
            _client(local, borg_command.rsh(str(path)), None, **streams) as child,
        ):
            yield child, result
            if result.status not in (0, 1) and await probe_serve(path) is None:
                raise await server.master.lost() or no_serve_answers(server.master.party, remote)
        return
    with _pipes() as (theirs, ends):
        rsh = borg_command.rsh_of_pipes(theirs.stdin.fileno(), theirs.stdout.fileno())
        # The serve starts beside borg: each takes half a second to load.
        async with serve(local.request, ends) as result.served, _client(local, rsh, theirs, **streams) as child:
            yield child, result


@contextlib.contextmanager
def _pipes() -> Iterator[tuple[Ends, Ends]]:
    """Make the pipes between a borg and its serve; yields the ends of the one and of the other."""
    (serve_reads, borg_writes), (borg_reads, serve_writes) = os.pipe(), os.pipe()
    with (
        contextlib.closing(Ends(os.fdopen(borg_reads, "rb", 0), os.fdopen(borg_writes, "wb", 0))) as theirs,
        contextlib.closing(Ends(os.fdopen(serve_reads, "rb", 0), os.fdopen(serve_writes, "wb", 0))) as ends,
    ):
        yield theirs, ends


@contextlib.asynccontextmanager
async def _client(local: LocalBorg, rsh: str, ends: Ends | None, **streams: Any) -> _Children:  # noqa: ANN401
    """Start a borg that reaches its repository through `rsh`; it alone has `ends` then."""
    with (
        contextlib.closing(ends) if ends else contextlib.nullcontext(),
        _pipe_holding(local.passphrase) as secret,
        cache_in_use(local.cache) as in_use,
    ):
        env = process.environment(
            **borg_command.environment(local.url),
            **({"BORG_PASSPHRASE_FD": str(secret[0])} if secret else {}),
            BORG_RSH=rsh,
            BORG_BASE_DIR=str(local.cache),
        )
        argv = process.Command(BORG)[f"--lock-wait={local.lock_wait}", *local.arguments].formulate()
        absent = missing_borg(CONTROLLER, BORG)
        inherited = [*secret, in_use, *((ends.stdin.fileno(), ends.stdout.fileno()) if ends else ())]
        async with process.started(
            argv, env=env, pass_fds=inherited, stop_signals=_STOP_SIGNALS, absent=absent, **streams
        ) as child:
            if ends:
                ends.close()
            yield child


@contextlib.contextmanager
def _pipe_holding(secret: str | None) -> Iterator[tuple[int, ...]]:
    """Yield the descriptor from which `secret` can be read, none without one."""
    if secret is None:
        yield ()
        return
    reading, writing = os.pipe()
    try:
        with open(writing, "wb") as pipe:  # noqa: PTH123 - a descriptor, not a path
            pipe.write(secret.encode())
        yield (reading,)
    finally:
        os.close(reading)


async def follow(
    child: process.Child, result: BorgResult, on_output: OnOutput, output: Coroutine[None, None, bytes]
) -> None:
    """Wait for the end of a borg client. `output` reads its standard output; all of it goes into `result`."""
    async with asyncio.TaskGroup() as tasks:
        read = tasks.create_task(output)
        async for line in process.lines(child.stderr):
            on_line(line, result.said, on_output)
        result.status = await child.wait()
    result.stdout = read.result()
