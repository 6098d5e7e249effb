"""The connection to B for commands about one target."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ..config import Config
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
