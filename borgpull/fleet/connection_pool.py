"""The connections to the backup server: each has places for a few sessions; when all are taken, another one is opened.

A connection that broke is replaced when the next job asks. The backup server never sees more than one attempt to
connect at a time, nor one soon after another that failed, however many targets wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from ..config import Config, Connection
from ..doctor import require
from ..errors import BACKUP_SERVER, Failure, plural, program_party
from ..events import Emit, Said, Warned
from ..repository import RunContext
from ..ssh import SESSIONS, JumpHosts, Master, open_master
from ..transport import BackupServer, Root

# For so long the failure of one attempt to connect is the answer to every job.
_REST_SECONDS = 10.0
# What one job needs at a time.
_PLACES = 2


def open_connection(
    connection: Connection, *, party: str, directory: Path, emit: Emit, jumps: JumpHosts | None = None
) -> AbstractAsyncContextManager[Master]:
    """Connect to `party` for as long as the context lasts; what its ssh prints becomes events. Raises Failure."""
    program = program_party("ssh", party)
    on_output = lambda line: emit(Said(party=program, text=line))  # noqa: E731
    return open_master(connection, party=party, directory=directory, on_output=on_output, jumps=jumps)


class Servers(contextlib.AsyncExitStack):
    """The backup server, as often as it is needed. On leaving all connections end.

    Raises Failure when this machine lacks a program that the sessions need.
    """

    def __init__(self, config: Config, *, directory: Path, emit: Emit) -> None:
        super().__init__()
        require("ssh", "borg", "socat")
        self._config = config
        self.directory = directory
        self._emit = emit
        self._one_at_a_time = asyncio.Lock()
        self._taken: Counter[Master] = Counter()
        self._limit = SESSIONS
        self._failure: Failure | None = None
        self._failed_at = 0.0
        self.root, self.jumps = Root(), JumpHosts()

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[BackupServer]:
        """Return the backup server for one job: a place for its lasting session, and one for a serve, both or none.

        So no job that has one waits for the other while others do the same. Raises Failure when it cannot be reached.
        """
        async with self._one_at_a_time:
            while len(places := self._free()) < _PLACES:
                self._taken.setdefault(await self._opened(), 0)
            self._taken.update(places)
        lasting, serve = places
        try:
            yield BackupServer(serve, lasting, self._config.server.borg_path, self.directory, self.root, self.jumps)
        finally:
            self._taken.subtract(places)
            for master in places:
                self._learn(master)

    def _free(self) -> list[Master]:
        """Return the connections that have a place for a job, one for each place."""
        for master in [master for master in self._taken if not master.alive]:
            del self._taken[master]
        places = [master for master, taken in self._taken.items() for _ in range(self._limit - taken)]
        return places[:_PLACES]

    async def _opened(self) -> Master:
        now = asyncio.get_running_loop().time()
        if self._failure is not None and (not self._failure.transient or now < self._failed_at + _REST_SECONDS):
            raise self._failure
        where = self._config.server
        opening = open_connection(
            where, party=BACKUP_SERVER, directory=self.directory, emit=self._emit, jumps=self.jumps
        )
        try:
            master = await self.enter_async_context(opening)
        except Failure as failure:
            self._failure, self._failed_at = failure, asyncio.get_running_loop().time()
            raise
        self._failure = None
        return master

    def _learn(self, master: Master) -> None:
        if master.limit < self._limit:
            self._limit = master.limit
            allowed = f"{plural(self._limit, 'session')} per connection (MaxSessions)"
            hint = "raise MaxSessions in the sshd_config of the backup server to 10, its default"
            self._emit(Warned(text=f"the backup server allows only {allowed}: opening more", hint=hint))


@contextlib.asynccontextmanager
async def connected(config: Config, *, directory: Path, cache: Path, emit: Emit) -> AsyncIterator[RunContext]:
    """Connect to the backup server for as long as the context lasts; yields what a job needs. Raises Failure."""
    async with Servers(config, directory=directory, emit=emit) as servers, servers.lease() as server:
        yield RunContext(config, server, cache, emit)
