"""Borg on C: a local borg client whose repository is reached through a socket that only it can use.

The passphrase reaches borg through a pipe. Borg's cache lives where the operator keeps it, never on the tmpfs.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias

from .. import process
from ..borg import WARNED
from ..borg import command as borg_command
from ..borg.failure import explain, is_unknown, missing_borg, speaks_against_repository
from ..borg.output import Message, Messages, read_line
from ..errors import CONTROLLER, Failure
from .borg_cache import cache_in_use
from .serve import OnOutput, ServeRequest, ServeResult, listening, serve
from .socket_activation import forwarded_socket, no_serve_answers, probe_serve

BORG = "borg"
# What `borg list` may print: about 300 bytes an archive.
MOST_LISTED = 32 * 1024 * 1024
# What is done with a borg's standard output; what it returns becomes that of `Ended`.
Reader = Callable[[asyncio.StreamReader], Coroutine[None, None, bytes]]
# Borg ends at the next file or chunk after SIGINT, and frees its lock.
_GENTLY = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0))
_STDOUT, _STDERR = 1, 2


@dataclass
class BorgResult:
    """A borg client that has ended: its exit status, its standard output, and what it and its serve said.

    `fell_back` says that its target refused to forward a socket, and stdio was used.
    """

    status: int = -1
    stdout: bytes = b""
    said: Messages = field(default_factory=Messages)
    served: ServeResult = field(default_factory=ServeResult)
    fell_back: bool = False

    def or_raise(self, party: str, command: str, *, warned: bool = False) -> Self:
        """Return what has ended well, or with nothing worse than a warning if `warned`. Raises Failure."""
        if self.status != 0 and not (warned and self.status == WARNED):
            raise self.failure(party, command)
        return self

    def failure(self, party: str, command: str) -> Failure:
        return explain(party, command, self.status, self.said, server=self.served.said)

    @property
    def is_unknown(self) -> bool:
        """Tell whether it failed with an error that nobody here knows."""
        return is_unknown(self.status, self.said, server=self.served.said)

    @property
    def speaks_against_repository(self) -> bool:
        """Tell whether it failed for something that is wrong with the repository itself, or does not say for what."""
        return speaks_against_repository(self.status, self.said, server=self.served.said)


_Start: TypeAlias = Callable[..., contextlib.AbstractAsyncContextManager[process.Child]]
_Follow: TypeAlias = Callable[[process.Child, BorgResult], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class LocalBorg:
    """A borg here: what it is to do to one repository, and the serve on B that it needs for that.

    `cache` becomes its BORG_BASE_DIR; it waits `lock_wait` seconds for the repository's lock. Without a passphrase borg
    asks for it.
    """

    request: ServeRequest
    url: str
    arguments: Sequence[str]
    lock_wait: int
    passphrase: str | None = field(repr=False)
    cache: Path


async def borg_on_controller(
    local: LocalBorg, *, on_output: OnOutput, folder: Path | None = None, read: Reader | None = None
) -> BorgResult:
    """Run borg here, in `folder`, and wait for its end and that of its serve.

    `read` is given borg's standard output. Raises Failure when it cannot be run; a borg that failed is not raised.
    """

    async def follow(child: process.Child, ended: BorgResult) -> None:
        await attend(child, ended, on_output, (read or _kept)(child.stdout))

    return await _ended(local, functools.partial(process.started, folder=folder), follow)


async def borg_passthrough(local: LocalBorg, *, stdin: int) -> BorgResult:
    """Run borg here for who sits at the terminal: it reads from `stdin`, and its output is C's own.

    Raises Failure when it cannot be run; a borg that failed is not raised, and what it said is known to nobody here.
    """

    async def follow(child: process.Child, ended: BorgResult) -> None:
        ended.status = await child.wait()

    start = functools.partial(process.started, stdin=stdin, stdout=_STDOUT, stderr=_STDERR, own_session=False)
    return await _ended(local, start, follow)


async def _ended(local: LocalBorg, start: _Start, follow: _Follow) -> BorgResult:
    ended, server, socket = BorgResult(), local.request.server, local.request.socket
    if socket:
        # Ours alone: nobody needs to be kept out.
        async with (
            forwarded_socket(server.master, socket, server.directory) as place,
            _client(local, place, start) as child,
        ):
            await follow(child, ended)
            if ended.status not in (0, 1) and await probe_serve(place) is None:
                raise await server.master.lost() or no_serve_answers(server.master.party, socket)
        return ended
    started: list[int] = []
    with listening(server.directory, allowed=lambda pid: bool(started) and descends(pid, started[0])) as (place, door):
        async with serve(local.request, door) as served:
            ended.served = served
            async with _client(local, place, start) as child:
                started.append(child.pid)
                await follow(child, ended)
    return ended


@contextlib.asynccontextmanager
async def _client(local: LocalBorg, place: Path, start: _Start) -> AsyncIterator[process.Child]:
    """Start a borg that gets to its repository through the socket `place`."""
    with _pipe_holding(local.passphrase) as secret, cache_in_use(local.cache) as word:
        env = process.environment(
            **borg_command.environment(local.url),
            **({"BORG_PASSPHRASE_FD": str(secret[0])} if secret else {}),
            BORG_RSH=borg_command.rsh(str(place)),
            BORG_BASE_DIR=str(local.cache),
        )
        argv = process.Command(BORG)[f"--lock-wait={local.lock_wait}", *local.arguments].formulate()
        absent = missing_borg(CONTROLLER, BORG)
        async with start(argv, env=env, pass_fds=[*secret, word], stop_signals=_GENTLY, absent=absent) as child:
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


async def attend(
    child: process.Child, ended: BorgResult, on_output: OnOutput, output: Coroutine[None, None, bytes]
) -> None:
    """Follow a borg client to its end: its progress to `heard`, its messages, and what `output` reads, into `ended`."""
    async with asyncio.TaskGroup() as tasks:
        collected = tasks.create_task(output)
        async for line in process.lines(child.stderr):
            if read := read_line(line):
                if isinstance(read, Message):
                    ended.said.add(read)
                on_output(read)
        ended.status = await child.wait()
    ended.stdout = collected.result()


async def _kept(stdout: asyncio.StreamReader) -> bytes:
    return (await process.read_all(stdout, most=MOST_LISTED))[0]


def descends(pid: int, ancestor: int) -> bool:
    """Tell whether process `pid` is `ancestor` or a descendant of it."""
    while pid > 1 and pid != ancestor:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        # The command name stands in parentheses and may hold any character.
        pid = int(stat.rpartition(")")[2].split()[1])
    return pid == ancestor
