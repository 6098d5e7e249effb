"""The end of the transport on C: it admits one peer, the right one, once; and B's serve ends with its client."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from borgpull.errors import BACKUP_SERVER, Failure
from borgpull.ssh import open_master
from borgpull.transport import BackupServer
from borgpull.transport.local_borg import descends
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
        async with server_of(lab) as server, serving(server, lab, allowed=lambda pid: False) as (place, served):
            with connected(place) as stranger:
                async with asyncio.timeout(10):
                    return await asyncio.get_running_loop().sock_recv(stranger, 100), served.came

    assert asyncio.run(intrude()) == (b"", False)


def test_after_the_right_one_there_is_no_second(lab):
    async def come_twice() -> tuple[bool, bool, int | None]:
        mine = lambda pid: pid == os.getpid()  # noqa: E731
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


def test_the_socket_is_private_and_gone_afterwards_even_if_nobody_came(lab):
    async def wait() -> Path:
        async with server_of(lab) as server:
            async with serving(server, lab, allowed=lambda pid: True) as (place, _):
                assert place.is_socket()
                assert place.parent.stat().st_mode & 0o077 == 0
            return place

    assert not asyncio.run(wait()).exists()


def test_when_the_way_is_left_early_nothing_runs_on(lab):
    async def leave() -> None:
        async with server_of(lab) as server, serving(server, lab, allowed=lambda pid: True) as (place, served):
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
            async with serving(other, lab, allowed=lambda pid: True) as (place, served):
                with connected(place):
                    async with asyncio.timeout(10):
                        while not served.came:
                            await asyncio.sleep(0.005)

    with pytest.raises(Failure, match="borg is not installed there") as failed:
        asyncio.run(come())
    assert failed.value.party == BACKUP_SERVER


def test_kinship_of_processes_is_told():
    with contextlib.ExitStack() as stack:
        argv = ["sh", "-c", f"{sys.executable} -c 'import sys; print(flush=True); sys.stdin.read()'; true"]
        child = stack.enter_context(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        child.stdout.readline()
        (grandchild,) = processes.descendants(child.pid)
        assert descends(grandchild, child.pid)
        assert descends(child.pid, child.pid)
        assert descends(grandchild, os.getpid())
        assert not descends(os.getpid(), child.pid)
        assert not descends(1, child.pid)
        child.communicate()
    assert not descends(grandchild, os.getpid())
