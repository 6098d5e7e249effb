"""The backup server goes away in the middle of a run: the run waits for it, and no target fails for its sake."""

import os
import signal
import time

import pytest

from lab import processes
from support import World, loopback_world, needs_network_namespaces, walled_world
from support.away import Away, away
from support.following import Run
from support.reading import only, report

LONG = 40_000_000
RATE = "8M"


@pytest.fixture
def small():
    """B and two targets, one of which takes some seconds."""
    with loopback_world(("web", "mail")) as world:
        yield world


def config_of(world: World, tmp_path, *names: str, patience: str, **changes):
    """Return a config without Retries, in which `web` is slow and tells in a file when its OnFailure runs."""
    config = only(world.lab.config(), *(names or ("web", "mail")))
    config["Borg"] |= {"Retries": 0, "Jobs": 1, "ServerPatience": patience} | changes
    config["Servers"][0] |= {"UploadRateLimit": RATE, "OnFailure": [f"echo ran >>'{tmp_path}/failed'"]}
    return config


def running(world: World, config, tmp_path) -> Run:
    """Start a run, and return when the first target is in the middle of its files."""
    (world.target("web").source / "long").write_bytes(os.urandom(LONG))
    run = Run(world, config, tmp_path, "--json")
    run.until(lambda: any(e.get("original_size", 0) > 5_000_000 for e in run.events()))
    return run


def warned(run: Run) -> list[str]:
    return [event["text"] for event in run.events() if event["event"] == "warned" and event["target"] is None]


def noted(run: Run) -> list[str]:
    return [event["text"] for event in run.events() if event["event"] == "noted"]


def outcomes(done) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in report(done)["targets"]}


def test_a_backup_server_that_reboots_costs_no_target_though_none_may_be_retried(small, tmp_path):
    with away(small.lab.server) as server:
        run = running(small, config_of(small, tmp_path, patience="2m"), tmp_path)
        server.go()
        run.until(lambda: warned(run))
        (small.target("web").source / "long").unlink()
        server.come_back()
        done = run.end()
        assert done.returncode == 0, done.stderr
        assert outcomes(done) == {"web": "done", "mail": "done"}
    (said,) = warned(run)
    assert said.startswith("backup server: away since 20")
    assert "no sshd listens on that port; all targets wait for it" in said
    (back,) = noted(run)
    assert back.startswith("the backup server is back, after ")
    (again,) = (event for event in run.events() if event["event"] == "retried")
    assert (again["target"], again["attempt"], again["attempts"]) == ("web", 1, 1), "it burnt an attempt"
    assert not (tmp_path / "failed").exists(), "OnFailure ran for a target that did not fail"
    assert small.leftovers() == []


def test_a_backup_server_that_stays_away_is_one_error_and_who_never_began_is_not_started(small, tmp_path):
    with away(small.lab.server) as server:
        run = running(small, config_of(small, tmp_path, patience="3s"), tmp_path)
        server.go()
        done = run.end()
    assert done.returncode == 2, done.stderr
    assert outcomes(done) == {"web": "failed", "mail": "not-started"}
    (failed,) = (event for event in run.events() if event["event"] == "failed")
    assert (failed["party"], failed["target"]) == ("B", None)
    assert failed["cause"].endswith("; it was waited for, 3s (ServerPatience)")
    assert [each["cause"] for each in report(done)["errors"]] == [failed["cause"]]
    assert (tmp_path / "failed").read_text() == "ran\n"
    assert "mail: not started" in done.stderr
    assert done.stderr.count("; it was waited for") == 2, "once when it happens, and once more in the summary"


def test_a_run_that_is_stopped_while_it_waits_ends_at_once(small, tmp_path):
    with away(small.lab.server) as server:
        server.go()
        run = Run(small, config_of(small, tmp_path, patience="30m"), tmp_path, "--json")
        run.until(lambda: warned(run))
        run.process.send_signal(signal.SIGINT)
        done = run.end()
    assert done.returncode == 130, done.stderr
    assert set(outcomes(done).values()) == {"not-started"}
    assert not run.has("target_finished")


def test_a_command_about_one_target_does_not_wait(small):
    with away(small.lab.server) as server:
        server.go()
        done = small.run("list", "web", seconds=60)
    assert done.returncode == 2, done.stderr
    assert "the connection was refused" in done.stderr


@pytest.mark.slow
def test_a_key_that_is_refused_until_its_home_is_mounted_is_no_failure(small, tmp_path):
    keys = small.lab.server.directory / "authorized_keys"
    with away(small.lab.server) as server:
        run = running(small, config_of(small, tmp_path, patience="2m"), tmp_path)
        keys.rename(keys.with_name("unmounted"))
        server.go()
        server.come_back()
        run.until(lambda: warned(run))
        assert "it refused the key" in warned(run)[0]
        keys.with_name("unmounted").rename(keys)
        (small.target("web").source / "long").unlink()
        assert run.end().returncode == 0


@pytest.mark.slow
def test_another_host_key_ends_the_run_at_once(small, tmp_path):
    with away(small.lab.server) as server:
        run = running(small, config_of(small, tmp_path, patience="2m"), tmp_path)
        server.go()
        for name in ("host_key", "host_key.pub"):
            there = small.target("mail").host.directory / name
            if there.exists():
                (small.lab.server.directory / name).write_bytes(there.read_bytes())
        server.come_back()
        done = run.end()
    assert done.returncode == 2, done.stderr
    assert warned(run) == []
    (failed,) = (event for event in run.events() if event["event"] == "failed")
    assert "its host key is not the one in KnownHost" in failed["cause"]


@pytest.mark.slow
def test_a_minute_without_the_backup_server_costs_none_of_24_targets(tmp_path):
    names = [f"host{number:02}" for number in range(24)]
    with loopback_world(names, planted=False) as world, away(world.lab.server) as server:
        for target in world.targets:
            (target.source / "file").write_bytes(os.urandom(100_000))
        config = world.lab.config()
        config["Borg"] |= {"Jobs": 6, "Retries": 0}
        run = Run(world, config, tmp_path, "--json")
        run.until(lambda: sum(event["event"] == "target_finished" for event in run.events()) >= 3)
        wait_a_minute(server)
        done = run.end(seconds=900)
        assert done.returncode == 0, done.stderr
        assert set(outcomes(done).values()) == {"done"}
        assert len(warned(run)) == len(noted(run)) == 1


def wait_a_minute(server: Away) -> None:
    server.go()
    time.sleep(60)  # the fault itself, nothing is waited for
    server.come_back()


@pytest.mark.slow
def test_a_controller_without_a_network_for_a_while_loses_no_target(tmp_path):
    needs_network_namespaces()
    with walled_world() as world:
        config = config_of(world, tmp_path, "web", "mail", patience="5m")
        run = running(world, config, tmp_path)
        with world.network.cut():
            run.until(lambda: warned(run))
        (world.target("web").source / "long").unlink()
        done = run.end()
        assert done.returncode == 0, done.stderr
        assert outcomes(done) == {"web": "done", "mail": "done"}
    assert processes.mentioning(str(world.memory)) == []
