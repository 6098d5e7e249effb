"""`doctor` over a fleet: the backup server and every target side by side, at most `Jobs` targets at a time.

It changes nothing. Each party is checked by itself: what is wrong with one hides nothing of another.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .. import runtime_dir
from ..config import Config, Connection, Target
from ..doctor import Checks, check_repository, check_server, check_socket_activation, check_state_dir, check_target
from ..doctor.controller import CONFIG_ROWS, STATE_ROWS, check_descriptors
from ..doctor.server import ROWS as SERVER_ROWS
from ..doctor.socket_activation import SOCKET_ROWS
from ..doctor.target import ROWS as TARGET_ROWS
from ..errors import BACKUP_SERVER, CONTROLLER, failure_of, target_party
from ..events import Emit
from ..ledger import store_of
from ..repository import open_connection
from ..results import Finding
from ..retention import series_of
from ..ssh import JumpHosts, Master


async def examine(config: Config, targets: tuple[Target, ...], *, directory: Path, emit: Emit) -> tuple[Finding, ...]:
    """Check the backup server and these targets; return the findings of the controller, the backup server, the targets.

    `directory` is private and on a tmpfs; what ssh prints is emitted.
    """
    here = Checks(CONTROLLER, (*CONFIG_ROWS, *(STATE_ROWS if config.sockets else ())))
    check_descriptors(here, config.jobs)
    if config.sockets:
        check_state_dir(here, Path(config.state_dir))
    server = Checks(BACKUP_SERVER, SOCKET_ROWS if config.sockets else SERVER_ROWS)
    of_targets = {target.name: Checks(target_party(target.name), TARGET_ROWS) for target in targets}
    whole = _Examination(config, directory, emit, server, of_targets)
    slots = asyncio.Semaphore(min(config.jobs, runtime_dir.most_jobs()))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(whole.check_server(targets))
        for target in targets:
            tasks.create_task(whole.check_target(target, slots))
    return tuple(finding for checks in (here, server, *of_targets.values()) for finding in checks.findings)


@dataclass(frozen=True)
class _Examination:
    config: Config
    directory: Path
    emit: Emit
    server: Checks
    targets: dict[str, Checks]
    jumps: JumpHosts = field(default_factory=JumpHosts)

    async def check_server(self, targets: tuple[Target, ...]) -> None:
        with _as_finding(self.server):
            async with self._connected(self.server, self.config.server) as master:
                if self.config.sockets:
                    await check_socket_activation(self.server, master, self.config, targets, self.directory)
                else:
                    await check_server(self.server, master, self.config)
                async with asyncio.TaskGroup() as tasks:
                    for target in targets:
                        tasks.create_task(self._check_repository(master, target))

    async def _check_repository(self, master: Master, target: Target) -> None:
        store = store_of(self.config, target, master)
        streams = [stream.name for stream in target.streams]
        is_ours = functools.partial(series_of, streams=streams, also=self.config.prune_also)
        await check_repository(self.targets[target.name], self.server, store, now=time.time(), is_ours=is_ours)

    async def check_target(self, target: Target, slots: asyncio.Semaphore) -> None:
        checks = self.targets[target.name]
        async with slots:
            with _as_finding(checks):
                async with self._connected(checks, target.connection) as master:
                    await check_target(checks, master, self.config, target, self.directory)

    @contextlib.asynccontextmanager
    async def _connected(self, checks: Checks, connection: Connection) -> AsyncIterator[Master]:
        opening = open_connection(
            connection, party=checks.party, directory=self.directory, emit=self.emit, jumps=self.jumps
        )
        async with opening as master:
            host = connection.host
            way = "".join(f" through {jump.host.name}" for jump in connection.jumps)
            checks.ok("connect", f"{host.name} port {host.port}{way}, host key as in KnownHost")
            yield master


@contextlib.contextmanager
def _as_finding(checks: Checks) -> Iterator[None]:
    # Whatever it was, the others are checked all the same.
    try:
        yield
    except Exception as error:
        checks.fail_with("connect", failure_of(error))
