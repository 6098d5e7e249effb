"""The connections to the backup server: each has places for a few sessions; when all are taken, another one is opened.

A connection that broke is replaced when the next job asks. While the backup server is away, one job tries to connect
again and again, and all others wait for it: however many targets wait, it sees one attempt at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from .. import runtime_dir
from ..config import Config
from ..doctor import require
from ..errors import BACKUP_SERVER, Failure, plural
from ..events import Emit, Noted, Warned
from ..format import span
from ..repository import RunContext, open_connection
from ..results import stamp
from ..ssh import LOST_SECONDS, SESSIONS, JumpHosts, Master, StoodStill, execute, is_refused
from ..transport import BackupServer, Root

# After a failed attempt to connect, the first pause and the longest; between them it is a third of the time spent. A
# host takes a minute or more to start; the first attempts are for an sshd that was restarted.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 30.0
# Between two attempts to open one more connection while others are at work.
_REST_SECONDS = 10.0
# How long an answer may take, and how much longer ssh then needs to see that the link is dead: 75 s in all.
_ANSWER_SECONDS, _DEAD_SECONDS = 60.0, 20.0
# What one job needs at a time.
_PLACES = 2


class Servers(contextlib.AsyncExitStack):
    """The backup server, as often as it is needed. On leaving all connections end.

    While it is away, all who need it wait, together at most `patience` seconds; then `failure` is the answer to all.
    Raises Failure when this machine lacks a program that the sessions need.
    """

    def __init__(self, config: Config, *, directory: Path, emit: Emit, patience: float = 0.0) -> None:
        super().__init__()
        require("ssh", "borg", "socat")
        self._config = config
        self.directory = directory
        self._emit = emit
        self._one_at_a_time = asyncio.Lock()
        self._taken: Counter[Master] = Counter()
        self._limit = SESSIONS
        self.patience = patience
        self.failure: Failure | None = None
        self._stood = False
        # By the clock of the event loop; None while it is not away.
        self.away_since: float | None = None
        self.root, self.jumps = Root(), JumpHosts()

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[BackupServer]:
        """Return the backup server for one job: a place for its lasting session, and one for a serve, both or none.

        So no job that has one waits for the other while others do the same. Raises Failure when it cannot be reached.
        """
        async with self._one_at_a_time:
            while len(places := self._free()) < _PLACES:
                await self._try_to_open()
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

    async def is_there(self) -> bool:
        """Tell whether it is connected, after it was waited for; if not, `failure` says why."""
        with contextlib.suppress(Failure):
            async with self._one_at_a_time:
                while not any(master.alive for master in self._taken):
                    await self._try_to_open()
        return self.failure is None

    async def broke_off(self, server: BackupServer | None, failure: Failure) -> bool:
        """Tell whether a job failed because its connection to the backup server is lost.

        A link that is cut looks whole for a minute, also where the controller's own network is gone and what fails
        is the connection to a target: so the backup server is asked, except after a failure that does not pass.
        """
        # A controller that was suspended has broken it off itself.
        if server is None or not self.patience or isinstance(failure, StoodStill):
            return False
        masters = {server.lasting, server.master}
        for master in masters if failure.transient else ():
            try:
                await execute(master, "exit 0", seconds=_ANSWER_SECONDS)
            except (Failure, OSError):
                await master.has_ended(LOST_SECONDS if self._config.sockets else _DEAD_SECONDS)
        return not all(master.alive for master in masters)

    async def _try_to_open(self) -> None:
        """Open another connection, or wait a while when that fails. Raises Failure when it is away for too long."""
        if self.failure is not None:
            raise self.failure
        where = self._config.server
        opening = open_connection(
            where, party=BACKUP_SERVER, directory=self.directory, emit=self._emit, jumps=self.jumps
        )
        try:
            self._taken[await self.enter_async_context(opening)] = 0
        except Exception as error:  # whatever it was, it is the answer to all who wait
            failure = runtime_dir.failure_in(self.directory, error)
            if any(taken for master, taken in self._taken.items() if master.alive):
                # A place of those that are at work may become free meanwhile.
                await asyncio.sleep(_REST_SECONDS)
            else:
                await self._wait(failure)
            return
        if self.away_since is not None:
            seconds = asyncio.get_running_loop().time() - self.away_since
            self._emit(Noted(text=f"the backup server is back, after {span(seconds)}"))
        self._stood, self.away_since = True, None

    async def _wait(self, failure: Failure) -> None:
        """Wait a while for the backup server, which is away. Raises Failure when patience is over, or of no use."""
        now = asyncio.get_running_loop().time()
        # A key that was good a moment ago: its home, or the directory service, comes up after sshd.
        may_pass = bool(self.patience) and (failure.transient or (self._stood and is_refused(failure)))
        if self.away_since is None:
            self.away_since = now
            if may_pass:
                away = f"away since {stamp(time.time())}: " if failure.party == BACKUP_SERVER else ""
                text = f"{failure.party}: {away}{failure.cause}; all targets wait for it"
                hint = f"{failure.hint}; it is waited for up to {span(self.patience)} (ServerPatience in [Borg])"
                self._emit(Warned(text=text, hint=hint))
        spent = now - self.away_since
        if not may_pass or spent >= self.patience:
            waited = f"; it was waited for, {span(self.patience)} (ServerPatience)" if may_pass else ""
            self.failure = Failure(failure.party, failure.cause + waited, hint=failure.hint, detail=failure.detail)
            raise self.failure
        pause = max(_FIRST_PAUSE, min(spent / 3, _LONGEST_PAUSE))
        await asyncio.sleep(min(pause, self.patience - spent))

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
