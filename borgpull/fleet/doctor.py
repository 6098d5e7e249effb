"""`doctor` over a fleet: B and every target side by side, at most `Jobs` targets at a time. Changes nothing.

Each party is looked at for itself: what is wrong with one hides nothing of another.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..answers import Finding
from ..checkup import Sheet, look_at_repository, look_at_server, look_at_sockets, look_at_state, look_at_target
from ..checkup.server import ROWS as SERVER_ROWS
from ..checkup.sockets import SOCKET_ROWS, STATE_ROWS
from ..checkup.target import ROWS as TARGET_ROWS
from ..config import Config, Connection, Target
from ..errors import BACKUP_SERVER, CONTROLLER, target_party
from ..job.watch import failure_of
from ..ledger import vault_of
from ..retention import series_of
from ..ssh import Master, open_master

Heard = Callable[[str, str], None]


@dataclass(frozen=True)
class _Examination:
    config: Config
    directory: Path
    heard: Heard
    server: Sheet
    targets: dict[str, Sheet]


async def examine(config: Config, targets: tuple[Target, ...], *, directory: Path, heard: Heard) -> tuple[Finding, ...]:
    """Look at B and at these targets; return what was found, what concerns C first, then B.

    `directory` is private and on a tmpfs; `heard` is given a party and a line that its ssh said.
    """
    sheets = {target.name: Sheet(target_party(target.name), TARGET_ROWS) for target in targets}
    rows = SOCKET_ROWS if config.sockets else SERVER_ROWS
    whole = _Examination(config, directory, heard, Sheet(BACKUP_SERVER, rows), sheets)
    here = Sheet(CONTROLLER, STATE_ROWS if config.sockets else ())
    if config.sockets:
        look_at_state(here, Path(config.state_dir))
    slots = asyncio.Semaphore(config.jobs)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_server(whole, targets))
        for target in targets:
            tasks.create_task(_target(whole, target, slots))
    return tuple(finding for sheet in (here, whole.server, *sheets.values()) for finding in sheet.findings)


async def _server(whole: _Examination, targets: tuple[Target, ...]) -> None:
    with _told(whole.server):
        async with _connected(whole, whole.server, whole.config.server) as master:
            if whole.config.sockets:
                await look_at_sockets(whole.server, master, whole.config, targets, whole.directory)
            else:
                await look_at_server(whole.server, master, whole.config)
            async with asyncio.TaskGroup() as tasks:
                for target in targets:
                    tasks.create_task(_repository(whole, master, target))


async def _repository(whole: _Examination, master: Master, target: Target) -> None:
    vault = vault_of(whole.config, target, master)
    streams = [stream.name for stream in target.streams]
    is_ours = functools.partial(series_of, streams=streams, also=whole.config.prune_also)
    await look_at_repository(whole.targets[target.name], whole.server, vault, now=time.time(), is_ours=is_ours)


async def _target(whole: _Examination, target: Target, slots: asyncio.Semaphore) -> None:
    sheet = whole.targets[target.name]
    async with slots:
        with _told(sheet):
            async with _connected(whole, sheet, target.connection) as master:
                await look_at_target(sheet, master, whole.config, target, whole.directory)


@contextlib.asynccontextmanager
async def _connected(whole: _Examination, sheet: Sheet, connection: Connection) -> AsyncIterator[Master]:
    async with open_master(
        connection,
        party=sheet.party,
        directory=whole.directory,
        heard=lambda line: whole.heard(f"ssh {sheet.party}", line),
    ) as master:
        host = connection.host
        way = "".join(f" through {jump.host.name}" for jump in connection.jumps)
        sheet.ok("connect", f"{host.name} port {host.port}{way}, host key as in KnownHost")
        yield master


@contextlib.contextmanager
def _told(sheet: Sheet) -> Iterator[None]:
    # Whatever it was, the others are looked at all the same.
    try:
        yield
    except Exception as error:
        sheet.cross("connect", failure_of(error))
