"""Who stands still or dies in the middle of a connection is given up in time, and named."""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull import process, ssh
from borgpull.errors import Failure
from borgpull.ssh import connect
from borgpull.ssh import master as limits
from lab import Lab, Spot, lab_running


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_running(Spot(name="plain"), []) as made:
        yield made


def failure_of(lab: Lab, port: int, use) -> Failure:
    async def attempt(memory: Path) -> None:
        where = lab.server.connection(port=port)
        async with ssh.open_master(where, party="T web", directory=memory, on_output=lambda line: None) as master:
            await use(master)

    with tempfile.TemporaryDirectory(prefix="bptest-", dir="/dev/shm") as memory:
        with pytest.raises(Failure) as failed:
            asyncio.run(attempt(Path(memory)))
        assert list(Path(memory).iterdir()) == []
    assert failed.value.transient
    return failed.value


def test_a_host_that_stops_in_the_key_exchange_is_given_up(lab, monkeypatch):
    # ConnectTimeout of ssh ends with the banner (seen on 8.4 to 10.5).
    monkeypatch.setattr(connect, "START_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        async def never(master: ssh.Master) -> None:
            raise AssertionError("it cannot be up")

        def greet() -> socket.socket:
            peer, _ = listener.accept()
            peer.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
            return peer

        async def failing() -> Failure:
            probe_serve = asyncio.create_task(asyncio.to_thread(greet))
            failure = await asyncio.to_thread(failure_of, lab, listener.getsockname()[1], never)
            (await probe_serve).close()
            return failure

        failure = asyncio.run(failing())
    assert (failure.party, failure.cause) == ("T web", "it did not finish connecting within 1 s")


def test_a_connection_of_ours_that_stands_still_ends_with_its_sessions(lab, monkeypatch):
    monkeypatch.setattr(limits, "CONTROL_SECONDS", 0.5)
    monkeypatch.setattr(limits, "_ASK_SECONDS", 0.2)

    async def stopped(master: ssh.Master) -> None:
        async with ssh.session(master, process.Command("cat"), stdin=subprocess.PIPE) as child:
            await child.write(b"x\n")
            assert await child.stdout.readline() == b"x\n"
            os.kill(master.pid, signal.SIGSTOP)
            with pytest.raises(Failure, match="does not answer \\(ssh -O forward\\)"):
                await master.forward_remote("/tmp/borgpull-test", Path("/dev/shm/nobody"))
            assert await child.wait(20) == ssh.SSH_FAILED
            lost = await master.lost()
            assert lost is not None
            raise lost

    failure = failure_of(lab, lab.server.port, stopped)
    assert (failure.party, failure.cause) == ("T web", "our ssh connection does not answer (ssh -O check)")


def test_a_connection_of_ours_that_is_killed_is_not_laid_at_the_door_of_the_host(lab):
    async def killed(master: ssh.Master) -> None:
        os.kill(master.pid, signal.SIGKILL)
        lost = await master.lost()
        assert lost is not None
        raise lost

    failure = failure_of(lab, lab.server.port, killed)
    assert (failure.party, failure.cause) == ("controller", "our ssh to T web was killed here (signal 9)")
