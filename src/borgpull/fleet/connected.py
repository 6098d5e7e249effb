"""The connection to B for commands about one target, and the target of a name."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ..config import Config, Target
from ..errors import UsageError
from ..events import Emit
from ..job import Plan
from .programs import require_programs
from .servers import Servers


@contextlib.asynccontextmanager
async def connected(config: Config, *, directory: Path, cache: Path, emit: Emit) -> AsyncIterator[Plan]:
    """Connect to B for as long as the context lasts; yields what a job needs. Raises Failure."""
    require_programs()
    async with Servers(config, directory=directory, emit=emit) as servers, servers.lease() as server:
        yield Plan(config, server, cache, emit)


def target_named(config: Config, name: str) -> Target:
    """Return the target of this name. Raises UsageError with the names there are."""
    for target in config.targets:
        if target.name == name:
            return target
    names = ", ".join(target.name for target in config.targets[:20])
    raise UsageError(f"there is no target {name!r} in the config", hint=f"there are: {names}")


def targets_named(config: Config, names: tuple[str, ...]) -> tuple[Target, ...]:
    """Return the targets of these names in the order of the config, all without a name. Raises UsageError."""
    wanted = {target_named(config, name).name for name in names}
    return tuple(target for target in config.targets if not wanted or target.name in wanted)
