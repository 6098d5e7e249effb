"""What may pass by itself is tried again, what somebody has to mend is not; and what happens in the pause before it."""

import signal
import socket
from datetime import datetime

import pytest

from lab import Spot, processes
from support import World, loopback_world
from support.following import Run
from support.reading import config_of, connections, entry, forced_shell, move, nobody_listens, row, said_of

MENDING = {
    "changed-key": "its host key is not the one in KnownHost",
    "other-key": "it refused the key",
    "passphrase": "the passphrase does not open",
}


@pytest.fixture(scope="module")
def world():
    """B, a target whose sshd lets nobody wait, and some that somebody has to mend."""
    with loopback_world((Spot(name="web", sshd_lines=("MaxStartups 1:100:1",)), *MENDING)) as made:
        yield made


def seconds_between(earlier: dict, later: dict) -> float:
    begin, end = (datetime.fromisoformat(event["at"]) for event in (earlier, later))
    return (end - begin).total_seconds()


def crowded(world: World) -> socket.socket:
    """Take the one place of those who wait at T's sshd."""
    host = world.target("web").host
    first = socket.create_connection((host.spot.address, host.port))
    first.recv(100)
    return first


def test_what_somebody_has_to_mend_is_tried_once(world):
    config = config_of(world, *MENDING, retries=2)
    web = world.target("web").host
    known = entry(config, "changed-key")["Connection"]
    known["KnownHost"] = f"{known['KnownHost'].split()[0]} {web.host_key.public}"
    entry(config, "other-key")["Connection"]["PrivateKey"] = web.key.private
    world.lab.borg(world.target("passphrase"), "init", "-e", "repokey-blake2")
    entry(config, "passphrase")["BorgTarget"]["Passphrase"] = "another one"
    done = world.run("--json", config=config)
    for name, cause in MENDING.items():
        assert cause in said_of(row(done, name))
        assert row(done, name)["retries"] == []
        log = (world.target(name).host.directory / "sshd.log").read_text()
        assert log.count("Connection closed by") + log.count("Accepted publickey") == 1, log


def test_a_failure_is_told_at_once_when_no_time_is_left_for_another_attempt(world):
    config = config_of(world, "web", retries=2, Timeout="3s")
    move(config, "web", nobody_listens(), world.target("web").host.host_key.public)
    done = world.run("--json", config=config)
    assert "the connection was refused" in said_of(row(done, "web"))
    assert row(done, "web")["retries"] == []


def test_a_run_that_is_stopped_in_the_pause_ends_then(world, tmp_path):
    config = config_of(world, "web", retries=2)
    move(config, "web", nobody_listens(), world.target("web").host.host_key.public)
    run = Run(world, config, tmp_path)
    run.until(lambda: run.has("retried"))
    run.process.send_signal(signal.SIGINT)
    done = run.end()
    assert done.returncode == 130, done.stderr
    assert run.has("target_finished", target="web", outcome="interrupted")
    (again,) = (event for event in run.events() if event["event"] == "retried")
    (end,) = (event for event in run.events() if event["event"] == "run_finished")
    assert seconds_between(again, end) < again["seconds"], "it waited for the end of the pause"
    assert world.leftovers() == []


@pytest.mark.slow
def test_who_does_nothing_over_a_connection_that_stands_is_waited_for_once():
    with loopback_world((Spot(name="web", sshd_lines=(forced_shell("cat >/dev/null"),)), Spot(name="mail"))) as world:
        done = world.run("--json", config=world.lab.config())
        assert done.returncode == 2, done.stderr
        assert said_of(row(done, "web")).startswith("T web: its shell did not begin within 60 s")
        assert row(done, "web")["retries"] == []
        assert row(done, "mail")["outcome"] == "done"
        assert world.leftovers() == []


def test_a_link_to_the_backup_server_that_breaks_in_the_pause_is_made_anew(world, tmp_path):
    with crowded(world):
        run = Run(world, config_of(world, "web", retries=2), tmp_path)
        run.until(lambda: run.has("retried"))
        processes.end(connections(world.lab.server))
    done = run.end()
    assert done.returncode == 0, done.stderr
    assert [e["party"] for e in run.events() if e["event"] == "retried"] == ["T web"]
    assert world.leftovers() == []
