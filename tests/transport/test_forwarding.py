"""Where T's sshd forwards nothing, whatever forbids it: one client comes through socat, once, and nothing is left."""

import asyncio
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from borgpull.borg.command_lines import Repository
from borgpull.config import Connection, Options, Target, Transport
from borgpull.errors import Failure
from borgpull.ssh import open_master
from borgpull.transport import CreateArchive, forward_socket
from borgpull.transport.target_borg import open_session
from lab import Lab, Spot, lab_running, processes

REFUSING = {
    "no-tcp": "AllowTcpForwarding no",
    "local-tcp": "AllowTcpForwarding local",
    "no-unix": "AllowStreamLocalForwarding no",
    "local-unix": "AllowStreamLocalForwarding local",
    "nothing": "DisableForwarding yes",
    "restricted": "",
}
MARK = "6d61726b" * 4
NOISE = "echo Welcome; printf 'no line end'; echo ' listening on' >&2\n"
TARGET = Target.model_construct(
    **dict(Options()) | {"borg_path": "true"},
    source_paths=("/etc",),
    excludes=(),
    connection=Connection.model_construct(username="root"),
)
COMMAND = CreateArchive(SimpleNamespace(target=TARGET, repository=Repository("/r", "ssh://borg-server//r")), "now")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    spots = [Spot(name=name, sshd_lines=tuple(filter(None, [line]))) for name, line in REFUSING.items()]
    with lab_running(Spot(name="B"), spots) as made:
        host = made.targets[-1].host
        (host.directory / "authorized_keys").write_text(f"restrict {host.key.public}\n")
        # The login shell of the lab's user is bash, and HOME is the host's directory.
        (host.directory / ".bashrc").write_text(NOISE)
        yield made


@asynccontextmanager
async def leg_to(lab: Lab, name: str, transport: Transport | None = None):
    """Connect, open a session, and lay the first leg; yields its socket on T, and the leg."""
    connection, target = lab.host(name).connection(), TARGET.model_copy(update={"transport": transport})
    with tempfile.TemporaryDirectory(prefix="bptest-", dir="/dev/shm") as memory:
        async with (
            open_master(connection, party="T", directory=Path(memory), on_output=lambda line: None) as master,
            open_session(master, COMMAND, MARK) as session,
            forward_socket(master, session.folder, target=target, directory=Path(memory)) as forwarded,
        ):
            yield Path(session.folder) / "borg", forwarded


def client_of(place: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    try:
        client.connect(str(place))
    except OSError:
        client.close()
        raise
    return client


def left_of(lab: Lab, name: str) -> list[str]:
    """Return what stays of a session on a host, for as long as ten seconds."""
    host, deadline = lab.host(name), time.monotonic() + 10
    while True:
        left = [*map(str, host.temporary.iterdir()), *map(str, processes.descendants(host.pid))]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


@pytest.mark.parametrize("name", REFUSING)
def test_bytes_go_both_ways_for_one_client_and_for_no_second(lab, name):
    async def go() -> tuple[Transport, bool, bytes, bytes, bool]:
        async with leg_to(lab, name) as (place, forwarded):
            assert (place.stat().st_mode | place.parent.stat().st_mode) & 0o077 == 0
            with client_of(place) as client:
                client.sendall(b"\0from T")
                async with asyncio.timeout(10):
                    ours = await forwarded.accept()
                    there = await asyncio.get_running_loop().sock_recv(ours, 100)
                    await asyncio.get_running_loop().sock_sendall(ours, b"from C\n")
                here = await asyncio.to_thread(client.recv, 100)
                refused = False
                try:
                    client_of(place).close()
                except OSError:
                    refused = True
            return forwarded.transport, forwarded.fell_back, there, here, refused

    assert asyncio.run(go()) == (Transport.STDIO, True, b"\0from T", b"from C\n", True)
    assert left_of(lab, name) == []


def test_a_forward_is_taken_where_there_is_one_unless_the_other_is_asked_for(lab):
    async def go(transport: Transport | None) -> tuple[Transport, bool]:
        async with leg_to(lab, "B", transport) as (_, forwarded):
            return forwarded.transport, forwarded.fell_back

    assert asyncio.run(go(None)) == (Transport.FORWARD, False)
    assert asyncio.run(go(Transport.STDIO)) == (Transport.STDIO, False)
    assert left_of(lab, "B") == []


def test_a_forward_that_is_asked_for_has_nothing_in_its_place(lab):
    async def go() -> None:
        async with leg_to(lab, "no-tcp", Transport.FORWARD):
            pass

    with pytest.raises(Failure, match="refuses to forward"):
        asyncio.run(go())
    assert left_of(lab, "no-tcp") == []


def test_when_nobody_came_it_ends_with_the_session_and_says_so(lab):
    async def go() -> socket.socket | None:
        async with leg_to(lab, "no-unix") as (place, forwarded):
            waiting = asyncio.create_task(forwarded.accept())
            (socat,) = (pid for pid in processes.mentioning(str(place)) if b"UNIX-LISTEN" in processes.traces(pid))
            processes.end([socat])
            async with asyncio.timeout(10):
                return await waiting

    assert asyncio.run(go()) is None
    assert left_of(lab, "no-unix") == []


def test_when_the_connection_breaks_socat_goes_with_it_though_nobody_came(lab):
    async def go() -> None:
        async with leg_to(lab, "no-unix"):
            host = lab.host("no-unix")
            children = Path(f"/proc/{host.pid}/task/{host.pid}/children").read_text().split()
            processes.end([int(pid) for pid in children])

    asyncio.run(go())
    assert left_of(lab, "no-unix") == []


def test_what_a_killed_session_left_goes_with_the_next_one(lab):
    async def go() -> None:
        async with leg_to(lab, "no-unix") as (place, _):
            processes.end([int((place.parent / "pid").read_text().split()[0])])

    asyncio.run(go())
    assert [place.name for place in lab.host("no-unix").temporary.iterdir()] != []

    async def again() -> None:
        async with leg_to(lab, "no-unix"):
            pass

    asyncio.run(again())
    assert left_of(lab, "no-unix") == []
