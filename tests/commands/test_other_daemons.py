"""The lock holds, and nobody is accused, whatever the ssh daemon is called and whatever of /proc can be seen."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.alone import GONE_SECONDS, TARGET, Alone
from lab import processes
from support import walled_world
from support.daemons import DAEMON, KINDS, RENAMED, renamed_daemon, strange_world
from support.network import CONTROLLER, needs_network_namespaces
from support.reading import until


@contextlib.contextmanager
def alone_on(kind: str, folder: Path) -> Iterator[Alone]:
    with strange_world(kind) as (world, config):
        yield Alone(world, folder, config=config)


@pytest.fixture(scope="module", params=KINDS)
def alone(request, tmp_path_factory) -> Iterator[Alone]:
    with alone_on(request.param, tmp_path_factory.mktemp("told")) as made:
        yield made


def names_below(pid: int) -> set[str]:
    """Return what the kernel calls the processes below `pid`."""
    return {Path(f"/proc/{each}/comm").read_text().strip() for each in processes.descendants(pid)}


def test_a_copy_of_the_daemon_serves_under_its_own_name(tmp_path):
    with alone_on(RENAMED, tmp_path) as alone, alone.held("create"):
        for host in (alone.world.lab.server, alone.target.host):
            names = names_below(host.pid)
            assert any(name.startswith(DAEMON) for name in names)
            assert not any(name.startswith(("sshd", "dropbear")) for name in names)


def test_a_second_run_waits_for_the_first_one(alone):
    with alone.held("create") as first:
        serve = alone.serve()
        assert serve is not None
        second = alone.start()
        second.until(lambda: len(alone.sessions()) == 2)
        assert alone.serve() == serve
        alone.gates.open()
        done = [run.end() for run in (first, second)]
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    assert first.accusations() == second.accusations() == []
    alone.is_well()


@pytest.mark.slow
def test_a_second_run_that_waits_too_long_names_the_first_one(alone):
    with alone.held("create") as first:
        second = alone.start()
        done = second.end()
        assert done.returncode == 2, done.stderr
        holder = f"{socket.gethostname()}, pid {first.process.pid}, "
        assert f"error: backup server: another run of borgpull is at work on this repository: {holder}" in done.stderr
        assert second.accusations() == []
        alone.gates.open()
        done = first.end()
    assert done.returncode == 0, done.stderr
    assert first.accusations() == []
    alone.is_well()


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["itself", "with its ssh"])
def test_a_controller_that_is_killed_leaves_nobody_at_work(alone, whole):
    before = alone.archives
    with alone.held("create") as run:
        if whole:
            processes.end([run.process.pid, *processes.descendants(run.process.pid)])
        run.kill()
        if not whole:
            alone.gates.open()  # else its borg stands still, and has to be killed
        alone.until_given_up()
    assert alone.archives == before
    alone.is_well()


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["B", TARGET])
def test_a_link_that_is_cut_leaves_nobody_at_work_behind_it(cut, tmp_path):
    needs_network_namespaces()
    prefix, lines = renamed_daemon(tmp_path)
    both = ("B", TARGET)
    world_of = walled_world(
        [TARGET], planted=False, prefixes=dict.fromkeys(both, prefix), sshd_lines=dict.fromkeys(both, lines)
    )
    with world_of as world:
        alone = Alone(world, tmp_path)
        host = world.lab.host(cut)
        cable = ("ip", "-n", world.network.namespaces[CONTROLLER], "link", "set", f"to-{cut}")
        with alone.held("create") as run:
            assert names_below(host.pid) >= {"sh"}
            subprocess.run([*cable, "down"], check=True)
            # No packet comes through that would say that the connection has ended: sshd itself still waits.
            until(lambda: not names_below(host.pid) - {DAEMON, f"{DAEMON}-session"}, seconds=GONE_SECONDS)
            done = run.end()
            subprocess.run([*cable, "up"], check=True)
        assert done.returncode == 2, done.stderr
        assert run.accusations() == []
        until(lambda: not (alone.ledger / "lock").exists(), seconds=GONE_SECONDS)
        alone.is_well()
