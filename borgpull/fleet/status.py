"""`status` over a fleet: what the ledgers on B say. No target is contacted, and no borg is run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from ..answers import Standing, State
from ..config import Config, Target
from ..errors import BACKUP_SERVER, Failure
from ..job.standing import standing_of
from ..ledger import ServerVault, Vault, place_of, state_vault
from ..ssh import open_master


async def status(
    config: Config, targets: tuple[Target, ...], *, directory: Path, max_age: float, heard: Callable[[str, str], None]
) -> tuple[Standing, ...]:
    """Ask B how the backups of these targets stand; an archive older than `max_age` seconds is too old.

    `directory` is private and on a tmpfs; `heard` is given a party and a line that its ssh said. Raises Failure when B
    cannot be reached.
    """
    if config.sockets is not None:
        # Their ledgers lie here: nobody needs to be asked.
        return tuple([await _one(state_vault(config.sockets, target), target, max_age) for target in targets])
    async with open_master(
        config.server, party=BACKUP_SERVER, directory=directory, heard=lambda line: heard(f"ssh {BACKUP_SERVER}", line)
    ) as master:
        asked = (_one(ServerVault(master, place_of(config, target)), target, max_age) for target in targets)
        return tuple(await asyncio.gather(*asked))


async def _one(vault: Vault, target: Target, max_age: float) -> Standing:
    try:
        seen = await vault.survey()
    except Failure as failure:
        return Standing(
            target=target.name, state=State.UNKNOWN, cause=f"{failure.party}: {failure.cause}", hint=failure.hint
        )
    streams = tuple(stream.name for stream in target.streams)
    return standing_of(target.name, seen, now=time.time(), max_age=max_age, streams=streams)
