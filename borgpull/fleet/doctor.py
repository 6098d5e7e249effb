"""`doctor` over a fleet: the backup server and every target side by side, at most `Jobs` targets at a time.

It changes nothing. Each party is checked by itself: what is wrong with one hides nothing of another.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..config import Config, Connection, Target
from ..doctor import Checks, check_local_state, check_repository, check_server, check_socket_activation, check_target
from ..doctor.server import ROWS as SERVER_ROWS
from ..doctor.socket_activation import SOCKET_ROWS, STATE_ROWS
from ..doctor.target import ROWS as TARGET_ROWS
from ..errors import BACKUP_SERVER, CONTROLLER, program_party, target_party
from ..ledger import vault_of
from ..repository.step_events import failure_of
from ..results import Finding
from ..retention import series_of
from ..ssh import Master, open_master

OnOutput = Callable[[str, str], None]


@dataclass(frozen=True)
class _Examination:
    config: Config
    directory: Path
    on_output: OnOutput
    server: Checks
    targets: dict[str, Checks]


async def examine(
    config: Config, targets: tuple[Target, ...], *, directory: Path, on_output: OnOutput
) -> tuple[Finding, ...]:
    """Check the backup server and these targets; return the findings, those of the controller first, then the server's.

    `directory` is private and on a tmpfs; `on_output` is given a party and a line of its ssh.
    """
    sheets = {target.name: Checks(target_party(target.name), TARGET_ROWS) for target in targets}
    rows = SOCKET_ROWS if config.sockets else SERVER_ROWS
    whole = _Examination(config, directory, on_output, Checks(BACKUP_SERVER, rows), sheets)
    here = Checks(CONTROLLER, STATE_ROWS if config.sockets else ())
    if config.sockets:
        check_local_state(here, Path(config.state_dir))
    slots = asyncio.Semaphore(config.jobs)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_server(whole, targets))
        for target in targets:
            tasks.create_task(_target(whole, target, slots))
    return tuple(finding for checks in (here, whole.server, *sheets.values()) for finding in checks.findings)


async def _server(whole: _Examination, targets: tuple[Target, ...]) -> None:
    with _crossing(whole.server):
        async with _connected(whole, whole.server, whole.config.server) as master:
            if whole.config.sockets:
                await check_socket_activation(whole.server, master, whole.config, targets, whole.directory)
            else:
                await check_server(whole.server, master, whole.config)
            async with asyncio.TaskGroup() as tasks:
                for target in targets:
                    tasks.create_task(_repository(whole, master, target))


async def _repository(whole: _Examination, master: Master, target: Target) -> None:
    vault = vault_of(whole.config, target, master)
    streams = [stream.name for stream in target.streams]
    is_ours = functools.partial(series_of, streams=streams, also=whole.config.prune_also)
    await check_repository(whole.targets[target.name], whole.server, vault, now=time.time(), is_ours=is_ours)


async def _target(whole: _Examination, target: Target, slots: asyncio.Semaphore) -> None:
    checks = whole.targets[target.name]
    async with slots:
        with _crossing(checks):
            async with _connected(whole, checks, target.connection) as master:
                await check_target(checks, master, whole.config, target, whole.directory)


@contextlib.asynccontextmanager
async def _connected(whole: _Examination, checks: Checks, connection: Connection) -> AsyncIterator[Master]:
    async with open_master(
        connection,
        party=checks.party,
        directory=whole.directory,
        on_output=lambda line: whole.on_output(program_party("ssh", checks.party), line),
    ) as master:
        host = connection.host
        way = "".join(f" through {jump.host.name}" for jump in connection.jumps)
        checks.ok("connect", f"{host.name} port {host.port}{way}, host key as in KnownHost")
        yield master


@contextlib.contextmanager
def _crossing(checks: Checks) -> Iterator[None]:
    # Whatever it was, the others are checked all the same.
    try:
        yield
    except Exception as error:
        checks.cross("connect", failure_of(error))
