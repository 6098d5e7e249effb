"""The connection to B for commands about one target, and the target of a name."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ..config import Config, Target
from ..errors import BACKUP_SERVER, UsageError
from ..events import Emit, Said
from ..job import Plan
from ..road import BackupServer
from ..ssh import open_master
from .programs import require_programs


@contextlib.asynccontextmanager
async def connected(config: Config, *, directory: Path, cache: Path, emit: Emit) -> AsyncIterator[Plan]:
    """Connect to B for as long as the context lasts; yields what the jobs of a run share. Raises Failure."""
    require_programs()
    async with open_master(
        config.server,
        party=BACKUP_SERVER,
        directory=directory,
        heard=lambda line: emit(Said(party=f"ssh {BACKUP_SERVER}", text=line)),
    ) as master:
        yield Plan(config, BackupServer(master, config.server_borg_path, directory), cache, emit)


def target_named(config: Config, name: str) -> Target:
    """Return the target of this name. Raises UsageError with the names there are."""
    for target in config.targets:
        if target.name == name:
            return target
    names = ", ".join(target.name for target in config.targets[:20])
    raise UsageError(f"there is no target {name!r} in the config", hint=f"there are: {names}")
