"""Connections that fail: how they are named, and that nothing of them is left."""

import asyncio
from pathlib import Path

import pytest

from borgpull import ssh
from borgpull.config import Connection
from borgpull.errors import Failure


def failure_of(where: Connection, memory: Path, *, party: str) -> Failure:
    """Return why there is no connection; no file of it may be left in `memory`."""

    async def connect() -> None:
        async with ssh.open_master(where, party=party, directory=memory, on_output=lambda line: None):
            pass

    with pytest.raises(Failure) as failed:
        asyncio.run(connect())
    assert list(memory.iterdir()) == []
    return failed.value


def failure_to(where: Connection, memory: Path) -> Failure:
    """Return why there is no connection to a target, which is the one that has to be named."""
    failure = failure_of(where, memory, party="T web")
    assert failure.party == "T web"
    return failure
