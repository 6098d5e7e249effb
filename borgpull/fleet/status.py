"""`status` over a fleet: what the ledgers on B say. No target is contacted, and no borg is run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from ..config import Config, Target
from ..errors import BACKUP_SERVER, Failure, program_party
from ..ledger import FOLDER, ServerVault, Vault, check_root, local_vault, place_of
from ..repository.status import status_of
from ..results import State, TargetStatus
from ..ssh import open_master
from ..untrusted import clean


async def status(
    config: Config,
    targets: tuple[Target, ...],
    *,
    directory: Path,
    max_age: float,
    on_event: Callable[[str, str], None],
) -> tuple[tuple[TargetStatus, ...], tuple[str, ...]]:
    """Ask B how the backups of these targets stand; an archive older than `max_age` seconds is too old.

    Returns also the repositories below RootDir that belong to no target of the config. `directory` is private and on a
    tmpfs; `heard` is given a party and a line that its ssh said. Raises Failure when B cannot be reached.
    """
    if config.sockets:
        # Their ledgers lie here: nobody needs to be asked.
        return tuple([await _one(local_vault(config, target), target, max_age) for target in targets]), ()
    async with open_master(
        config.server,
        party=BACKUP_SERVER,
        directory=directory,
        on_output=lambda line: on_event(program_party("ssh", BACKUP_SERVER), line),
    ) as master:
        is_new = not await check_root(master, config)
        vaults = [ServerVault(master, place_of(config, target)) for target in targets]
        asked = [
            _one(vault, target, max_age, root_is_new=is_new) for vault, target in zip(vaults, targets, strict=True)
        ]
        standings, ledgers = await asyncio.gather(asyncio.gather(*asked), vaults[0].left_behind(config))
        return tuple(standings), tuple(clean(ledger.replace(f"/{FOLDER}/", "/", 1)) for ledger in ledgers)


async def _one(vault: Vault, target: Target, max_age: float, *, root_is_new: bool = False) -> TargetStatus:
    try:
        seen = await vault.read_status()
    except Failure as failure:
        return TargetStatus(
            target=target.name, state=State.UNKNOWN, cause=f"{failure.party}: {failure.cause}", hint=failure.hint
        )
    streams, now = tuple(stream.name for stream in target.streams), time.time()
    return status_of(target.name, seen, now=now, max_age=max_age, streams=streams, root_is_new=root_is_new)
