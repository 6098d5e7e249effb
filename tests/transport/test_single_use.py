"""The end of the transport on C: it admits one peer, the right one, once; and B's serve ends with its client."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from borgpull.errors import BACKUP_SERVER, Failure
from borgpull.ssh import open_master
from borgpull.transport import BackupServer
from borgpull.transport.local_borg import BorgResult, LocalBorg, borg_on_controller
from borgpull.transport.serve import ServeRequest, listening, serve
from lab import Lab, Spot, lab_running, processes


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_running(Spot(name="B"), []) as made:
        yield made


@asynccontextmanager
async def server_of(lab: Lab):
    connection = lab.server.connection()
    with tempfile.TemporaryDirectory(prefix="bptest-", dir="/dev/shm") as memory:
        async with open_master(
            connection, party=BACKUP_SERVER, directory=Path(memory), on_output=lambda line: None
        ) as master:
            yield BackupServer(master, master, "borg", Path(memory))


@asynccontextmanager
async def serving(server: BackupServer, lab: Lab, *, allowed):
    request = ServeRequest(server=server, path=str(lab.root / "r"), append_only=True, on_output=lambda line: None)
    with listening(server.directory, allowed=allowed) as (place, accept):
        async with serve(request, accept) as served:
            yield place, served


def anybody(_: int) -> bool:
    return True


def nobody(_: int) -> bool:
    return False


def mine(pid: int) -> bool:
    return pid == os.getpid()


def connected(place: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(place))
    except OSError:
        connection.close()
        raise
    connection.setblocking(False)
    return connection


def test_a_stranger_on_this_machine_gets_nothing(lab):
    async def intrude() -> tuple[bytes, bool]:
        async with server_of(lab) as server, serving(server, lab, allowed=nobody) as (place, served):
            with connected(place) as stranger:
                async with asyncio.timeout(10):
                    return await asyncio.get_running_loop().sock_recv(stranger, 100), served.came

    assert asyncio.run(intrude()) == (b"", False)


def test_after_the_right_one_there_is_no_second(lab):
    async def come_twice() -> tuple[bool, bool, int | None]:
        async with server_of(lab) as server:
            async with serving(server, lab, allowed=mine) as (place, served):
                with connected(place):
                    async with asyncio.timeout(10):
                        while served.pid is None:
                            await asyncio.sleep(0.005)
                    refused = False
                    try:
                        connected(place).close()
                    except OSError:
                        refused = True
                    there = place.exists()
            return refused, there, served.status

    assert asyncio.run(come_twice()) == (True, False, 0)


def test_a_borg_here_that_connects_while_the_loop_is_late_is_not_turned_away(lab, tmp_path, monkeypatch):
    start = asyncio.create_subprocess_exec

    async def start_late(*argv, **options) -> asyncio.subprocess.Process:
        made = await start(*argv, **options)
        if argv[0] == b"borg":
            while made.returncode is None and not has_connected(made.pid):
                await asyncio.sleep(0.005)
        return made

    async def ask() -> BorgResult:
        async with asyncio.timeout(60), server_of(lab) as server:
            request = ServeRequest(
                server=server, path=str(lab.root / "r"), append_only=True, on_output=lambda line: None
            )
            local = LocalBorg(
                name="web",
                request=request,
                url=f"ssh://b/{request.path}",
                arguments=["list"],
                lock_wait=1,
                passphrase="",
                cache=tmp_path,
            )
            monkeypatch.setattr(asyncio, "create_subprocess_exec", start_late)
            return await borg_on_controller(local, on_output=lambda line: None)

    ended = asyncio.run(ask())
    assert (ended.served.came, ended.served.status is not None) == (True, True)
    # Borg's own answer came through: there is no such repository.
    assert "does not exist" in ended.failure("controller", "list").cause


def has_connected(borg: int) -> bool:
    """Tell whether a borg has started the socat that connects it."""
    return any(processes.traces(pid).startswith(b"socat\0") for pid in processes.descendants(borg))


def test_the_socket_is_private_and_gone_afterwards_even_if_nobody_came(lab):
    async def wait() -> Path:
        async with server_of(lab) as server:
            async with serving(server, lab, allowed=anybody) as (place, _):
                assert place.is_socket()
                assert place.parent.stat().st_mode & 0o077 == 0
            return place

    assert not asyncio.run(wait()).exists()


def test_when_the_way_is_left_early_nothing_runs_on(lab):
    async def leave() -> None:
        async with server_of(lab) as server, serving(server, lab, allowed=anybody) as (place, served):
            with connected(place):
                async with asyncio.timeout(10):
                    while served.pid is None:
                        await asyncio.sleep(0.005)
                raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(leave())
    assert processes.mentioning(str(lab.root)) == []


def test_a_borg_that_is_not_there_is_named(lab):
    async def come() -> None:
        async with server_of(lab) as server:
            other = replace(server, borg="/nowhere/borg")
            async with serving(other, lab, allowed=anybody) as (place, served):
                with connected(place):
                    async with asyncio.timeout(10):
                        while not served.came:
                            await asyncio.sleep(0.005)

    with pytest.raises(Failure, match="borg is not installed there") as failed:
        asyncio.run(come())
    assert failed.value.party == BACKUP_SERVER
