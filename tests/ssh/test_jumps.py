"""Through two jump hosts, each with a user and a key of its own and the right to lead on to the next host alone."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from borgpull import ssh
from borgpull.config import Connection, Host, Jump
from borgpull.errors import Failure
from lab import Lab, Spot, lab_running, processes
from support.connecting import failure_to

# An account that has no shell, and needs none to lead on.
JUMPER = "nobody"
NAMES = ("first", "second")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_running(Spot(name="end"), [Spot(name=name) for name in NAMES]) as made:
        made.directory.chmod(0o711)
        first, second = (target.host for target in made.targets)
        for host, next_one in ((first, second), (second, made.server)):
            host.directory.chmod(0o711)
            keys = host.directory / "authorized_keys"
            keys.write_text(
                f'restrict,port-forwarding,permitopen="127.0.0.1:{next_one.port}" {host.key.public}\n'
                f'restrict,port-forwarding,permitopen="*:22",permitopen="127.0.0.1:1" {made.server.key.public}\n'
            )
            keys.chmod(0o644)
        yield made


@pytest.fixture
def there(lab) -> Connection:
    """The way to the last host."""
    jumps = tuple(
        Jump.model_construct(
            host=Host("127.0.0.1", target.host.port),
            username=JUMPER,
            known_host=target.host.known_host + "\n",
            private_key=SecretStr(target.host.key.private),
        )
        for target in lab.targets
    )
    return lab.server.connection().model_copy(update={"listed_jumps": jumps})


def jump(there: Connection, number: int, **changes) -> Connection:
    """Return the way with something changed of one of its jump hosts."""
    jumps = [
        each.model_copy(update=changes) if place == number else each for place, each in enumerate(there.listed_jumps)
    ]
    return there.model_copy(update={"listed_jumps": tuple(jumps)})


def test_a_command_is_run_at_the_end_and_no_key_is_left_on_the_way(lab, there, memory):
    async def ask() -> tuple[bytes, list[str]]:
        async with ssh.open_master(there, party="T web", directory=memory, on_output=lambda line: None) as master:
            files = [place.name for place in memory.rglob("*") if not place.is_dir()]
            return (await ssh.execute(master, "echo here", seconds=10)).stdout, files

    assert asyncio.run(ask()) == (b"here\n", ["ctl"] * 3)
    for target in lab.targets:
        assert f"Accepted publickey for {JUMPER}" in (target.host.directory / "sshd.log").read_text()
    assert list(memory.iterdir()) == []
    assert processes.mentioning(str(memory)) == []


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("trouble", "words", "hint"),
    [
        ("key", "it refused the key", "Username and PrivateKey"),
        ("user", "it refused the key", "Username and PrivateKey"),
        ("host key", "host key is not the one in KnownHost", "before you change KnownHost"),
        ("nobody there", "the connection was refused", "check Host"),
    ],
)
def test_the_jump_host_that_failed_is_named(lab, there, memory, number, trouble, words, hint):
    spoilt = there
    if number == 1 and trouble == "nobody there":
        # The first one may lead on to nowhere only by its other key.
        spoilt = jump(spoilt, 0, private_key=SecretStr(lab.server.key.private))
    named = f"127.0.0.1:{there.jumps[number].host.port}"
    match trouble:
        case "key":
            spoilt = jump(spoilt, number, private_key=SecretStr(lab.targets[1 - number].host.key.private))
        case "user":
            spoilt = jump(spoilt, number, username="daemons")
        case "host key":
            name = there.jumps[number].known_host.split()[0]
            spoilt = jump(spoilt, number, known_host=f"{name} {lab.server.host_key.public}\n")
        case _:
            known = f"[127.0.0.1]:1 {lab.server.host_key.public}\n"
            spoilt = jump(spoilt, number, host=Host("127.0.0.1", 1), known_host=known)
            named = "127.0.0.1:1"
    failure = failure_to(spoilt, memory)
    assert failure.cause.startswith(f"its jump host {named}: "), failure.cause
    assert words in failure.cause
    assert hint in failure.hint


def test_a_jump_host_that_may_not_lead_on_is_named(lab, there, memory):
    # By its other key it may lead on, but not to that host.
    spoilt = jump(there, 1, private_key=SecretStr(lab.server.key.private))
    failure = failure_to(spoilt, memory)
    assert failure.cause == f"its jump host 127.0.0.1:{there.jumps[1].host.port} refuses to forward to it"
    assert "permitopen" in failure.hint


def test_a_target_that_failed_behind_them_is_not_taken_for_one_of_them(lab, there, memory):
    other = SecretStr(lab.targets[0].host.key.private)
    assert failure_to(there.model_copy(update={"private_key": other}), memory).cause == "it refused the key"
    nowhere = jump(there, 1, private_key=SecretStr(lab.server.key.private))
    failure = failure_to(nowhere.model_copy(update={"host": Host("127.0.0.1", 1)}), memory)
    assert failure.cause.startswith("the connection was refused")
    failure = failure_to(nowhere.model_copy(update={"host": Host("host.invalid", 22)}), memory)
    assert failure.cause.endswith("cannot resolve its name"), failure.cause


@pytest.mark.parametrize("number", [0, 1])
def test_a_jump_host_that_goes_away_is_named_as_what_broke(lab, there, memory, number):
    host = lab.targets[number].host

    async def ask() -> Failure | None:
        async with ssh.open_master(there, party="T web", directory=memory, on_output=lambda line: None) as master:
            processes.end(processes.descendants(host.pid))
            return await master.lost()

    lost = asyncio.run(ask())
    assert lost is not None
    assert f"jump host 127.0.0.1:{host.port}: it closed the connection" in lost.cause
    assert list(memory.iterdir()) == []


def logins(lab: Lab) -> list[int]:
    """Return how often somebody logged in at each jump host."""
    return [(target.host.directory / "sshd.log").read_text().count("Accepted publickey") for target in lab.targets]


def master_of(jump: Jump) -> int:
    """Return the pid of the master that is connected to a jump host."""
    wanted = str(jump.host.port)
    (pid,) = (pid for pid in processes.descendants(os.getpid()) if {b"-M", wanted.encode()} <= set(words(pid)))
    return pid


def words(pid: int) -> list[bytes]:
    return processes.traces(pid).split(b"\0")


def opened(jumps: ssh.JumpHosts, there: Connection, memory, party: str):
    return ssh.open_master(there, party=party, directory=memory, on_output=lambda line: None, jumps=jumps)


def test_those_behind_the_same_jump_hosts_share_one_connection_to_each(lab, there, memory):
    async def ask() -> list[bytes]:
        jumps = ssh.JumpHosts()

        async def one(party: str) -> bytes:
            async with opened(jumps, there, memory, party) as master:
                said = await ssh.execute(master, "echo here", seconds=10)
                together.append(party)
                while len(together) < 3:
                    await asyncio.sleep(0.005)
                return said.stdout

        together: list[str] = []
        async with asyncio.timeout(60):
            return await asyncio.gather(*(one(party) for party in ("T web", "T mail", "T db")))

    before = logins(lab)
    assert asyncio.run(ask()) == [b"here\n"] * 3
    assert [now - then for now, then in zip(logins(lab), before, strict=True)] == [1, 1]
    assert list(memory.iterdir()) == []
    assert processes.mentioning(str(memory)) == []


def test_a_shared_jump_host_that_is_lost_costs_each_one_attempt(lab, there, memory):
    async def lose() -> tuple[list[Failure], bytes]:
        jumps = ssh.JumpHosts()
        async with asyncio.timeout(60), contextlib.AsyncExitStack() as stack:
            masters = [
                await stack.enter_async_context(opened(jumps, there, memory, party)) for party in ("T web", "T mail")
            ]
            os.kill(master_of(there.jumps[1]), signal.SIGKILL)
            failures = [await master.lost() for master in masters]
            # The old one is still in use when the next attempt comes.
            async with opened(jumps, there, memory, "T web") as master:
                return failures, (await ssh.execute(master, "echo here", seconds=10)).stdout

    before = logins(lab)
    failures, said = asyncio.run(lose())
    assert said == b"here\n"
    assert all(failure.transient and "was killed here" in failure.cause for failure in failures), failures
    assert [now - then for now, then in zip(logins(lab), before, strict=True)] == [1, 2]
    assert processes.mentioning(str(memory)) == []


def test_a_shared_jump_host_that_refuses_is_asked_once_and_named_to_each(lab, there, memory):
    spoilt = jump(there, 1, private_key=SecretStr(lab.targets[0].host.key.private))

    async def ask() -> list[BaseException]:
        jumps = ssh.JumpHosts()

        async def one(party: str) -> None:
            async with opened(jumps, spoilt, memory, party):
                pass

        async with asyncio.timeout(60):
            return await asyncio.gather(*map(one, ("T web", "T mail")), return_exceptions=True)

    before = logins(lab)
    found = asyncio.run(ask())
    assert [failure.party for failure in found] == ["T web", "T mail"]
    assert {failure.cause for failure in found} == {
        f"its jump host 127.0.0.1:{there.jumps[1].host.port}: it refused the key"
    }
    assert [now - then for now, then in zip(logins(lab), before, strict=True)] == [1, 0]


def test_who_stops_while_a_jump_host_is_connected_stops_nobody_else(there, memory):
    async def stop() -> bytes:
        jumps = ssh.JumpHosts()

        async def one(party: str) -> bytes:
            async with opened(jumps, there, memory, party) as master:
                return (await ssh.execute(master, "echo here", seconds=10)).stdout

        async with asyncio.timeout(60):
            first, second = (asyncio.create_task(one(party)) for party in ("T web", "T mail"))
            while not list(memory.iterdir()):
                await asyncio.sleep(0.001)
            first.cancel()
            return await second

    assert asyncio.run(stop()) == b"here\n"
    assert processes.mentioning(str(memory)) == []
