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
from ..ledger import place_of, survey
from ..ssh import Master, open_master


async def status(
    config: Config,
    targets: tuple[Target, ...],
    *,
    directory: Path,
    max_age: float,
    heard: Callable[[str, str], None],
) -> tuple[Standing, ...]:
    """Ask B how the backups of these targets stand; an archive older than `max_age` seconds is too old.

    `directory` is private and on a tmpfs; `heard` is given a party and a line that its ssh said. Raises Failure when B
    cannot be reached.
    """
    async with open_master(
        config.server,
        party=BACKUP_SERVER,
        directory=directory,
        heard=lambda line: heard(f"ssh {BACKUP_SERVER}", line),
    ) as master:
        return tuple(await asyncio.gather(*(_one(master, config, target, max_age) for target in targets)))


async def _one(master: Master, config: Config, target: Target, max_age: float) -> Standing:
    try:
        seen = await survey(master, place_of(config, target))
    except Failure as failure:
        return Standing(
            target=target.name, state=State.UNKNOWN, cause=f"{failure.party}: {failure.cause}", hint=failure.hint
        )
    return standing_of(target.name, seen, now=time.time(), max_age=max_age)
