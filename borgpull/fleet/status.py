"""`status` over a fleet, by the ledgers on the backup server. It contacts no target, and runs no borg."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from pathlib import Path

from ..config import Config, Target
from ..errors import BACKUP_SERVER, Failure
from ..events import Emit
from ..ledger import FOLDER, Phase, ServerStore, Store, check_root, local_store, place_of
from ..repository import open_connection
from ..repository.maintenance import next_prune
from ..repository.status import status_of
from ..results import State, TargetStatus
from ..untrusted import clean


async def status(
    config: Config, targets: tuple[Target, ...], *, directory: Path, max_age: float, emit: Emit
) -> tuple[tuple[TargetStatus, ...], tuple[str, ...]]:
    """Return the status of these targets; an archive older than `max_age` seconds is too old.

    Returns also the repositories below RootDir that belong to no target of the config. `directory` is private and on a
    tmpfs; what ssh prints is emitted. Raises Failure when the backup server cannot be reached.
    """
    if config.sockets:
        # Their ledgers lie here.
        return tuple([await _one(local_store(config, target), config, target, max_age) for target in targets]), ()
    async with open_connection(config.server, party=BACKUP_SERVER, directory=directory, emit=emit) as master:
        is_new = not await check_root(master, config)
        stores = [ServerStore(master, place_of(config, target)) for target in targets]
        asked = [
            _one(store, config, target, max_age, root_is_new=is_new)
            for store, target in zip(stores, targets, strict=True)
        ]
        found, ledgers = await asyncio.gather(asyncio.gather(*asked), stores[0].left_behind(config))
        return tuple(found), tuple(clean(ledger.replace(f"/{FOLDER}/", "/", 1)) for ledger in ledgers)


async def _one(
    store: Store, config: Config, target: Target, max_age: float, *, root_is_new: bool = False
) -> TargetStatus:
    try:
        seen = await store.read_status()
    except Failure as failure:
        return TargetStatus(target=target.name, state=State.UNKNOWN, cause=str(failure), hint=failure.hint)
    streams, now = tuple(stream.name for stream in target.streams), time.time()
    max_age = max(max_age, target.may_be_absent)
    found = status_of(target.name, seen, now=now, max_age=max_age, streams=streams, root_is_new=root_is_new)
    if seen.ledger is None or seen.ledger.holds or seen.ledger.phase is Phase.CLOSED:
        return found
    begins, to_go = next_prune(config, target, seen.ledger, now=now)
    return replace(found, next_prune=begins if math.isfinite(begins) else None, to_prune=to_go)
