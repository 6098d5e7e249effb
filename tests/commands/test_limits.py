"""Who hangs, refuses or fills up costs its own row only, is named, and the next run works."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from lab import Spot, processes
from support import World, loopback_world
from support.following import Run
from support.reading import config_of, script

# Reads its passphrase and never does anything; ends when it is interrupted, as borg does.
HANGING = """\
exec /usr/bin/python3 -c 'import os, signal, time
os.read(4, 100)
signal.signal(signal.SIGINT, lambda *_: os._exit(1))
time.sleep(1000)'
"""


@pytest.fixture(scope="module")
def world():
    """B, a target whose sshd lets nobody wait, and another one."""
    with loopback_world((Spot(name="web", sshd_lines=("MaxStartups 1:100:1",)), Spot(name="mail"))) as made:
        yield made


def hanging(world: World) -> str:
    return script(world.target("web").host.directory / "hanging", HANGING)


@pytest.mark.parametrize("limit", ["Timeout", pytest.param("StallTimeout", marks=pytest.mark.slow)])
def test_a_target_that_hangs_fails_alone_when_its_time_is_over(world, limit, tmp_path):
    config = config_of(world, "web", "mail", **{"BorgPath": hanging(world), limit: "20s"})
    run = Run(world, config, tmp_path)
    done = run.end()
    assert done.returncode == 2, done.stderr
    assert (
        f"error: target web: the target {'was not done' if limit == 'Timeout' else 'has moved no byte'}" in done.stderr
    )
    assert f"20 s {'in all ' if limit == 'Timeout' else ''}({limit}); it came as far as create" in done.stderr
    assert run.has("target_finished", target="mail", outcome="done")
    assert world.leftovers() == []
    assert world.run("-q", config=config_of(world, "web")).returncode == 0


@pytest.mark.slow
def test_a_stopped_serve_is_laid_at_the_door_of_the_backup_server(world, tmp_path):
    config = config_of(world, "web", StallTimeout="6s")
    (world.target("web").source / "more").write_bytes(os.urandom(150_000_000))
    run = Run(world, config, tmp_path)
    run.until(lambda: run.has("archive_progress"))
    serve = next(
        pid for pid in processes.descendants(world.lab.server.pid) if b"--append-only" in processes.traces(pid)
    )
    os.kill(serve, signal.SIGSTOP)
    done = run.end()
    assert not Path(f"/proc/{serve}").exists()
    assert done.returncode == 2, done.stderr
    assert "error: backup server: its borg serve is stopped; the target has moved no byte for 6 s" in done.stderr
    assert run.accusations() == []
    assert world.run("-q", config=config_of(world, "web")).returncode == 0
    (world.target("web").source / "more").unlink()


def test_a_slow_target_is_not_taken_for_one_that_hangs(world):
    with (world.target("web").source / "long").open("wb") as hole:
        hole.truncate(2_000_000_000)
    done = world.run("-q", config=config_of(world, "web", StallTimeout="20s"))
    (world.target("web").source / "long").unlink()
    assert done.returncode == 0, done.stderr


def test_a_server_that_allows_one_session_gets_more_connections_and_it_is_said():
    spots = [Spot(name=name, sshd_lines=("MaxSessions 1",)) for name in ("B", "web", "mail")]
    with loopback_world(spots[1:], server=spots[0]) as narrow:
        done = narrow.run(config=config_of(narrow, "web", "mail", retries=2))
    assert done.returncode == 0, done.stderr
    assert "the backup server allows only 1 session per connection (MaxSessions): opening more" in done.stderr


def test_a_target_that_lets_nobody_in_for_now_is_tried_again(world, tmp_path):
    host = world.target("web").host
    with socket.create_connection((host.spot.address, host.port)) as first:
        first.recv(100)
        run = Run(world, config_of(world, "web", retries=2), tmp_path)
        run.until(lambda: run.has("retried"))
    done = run.end()
    assert done.returncode == 0, done.stderr
    (again,) = (event for event in run.events() if event["event"] == "retried")
    assert (again["party"], again["cause"], again["attempt"]) == ("T web", "it closed the connection", 2)
    assert "MaxStartups" in again["hint"]


@pytest.mark.slow
def test_a_server_that_lets_nobody_in_for_now_is_tried_again_before_any_target(tmp_path):
    with loopback_world(server=Spot(name="B", sshd_lines=("MaxStartups 1:100:1",))) as narrow:
        host = narrow.lab.server
        with socket.create_connection((host.spot.address, host.port)) as first:
            first.recv(100)
            run = Run(narrow, config_of(narrow, "web", "mail", retries=2), tmp_path)
            run.until(lambda: run.has("retried"))
        done = run.end()
        assert done.returncode == 0, done.stderr
        again = next(event for event in run.events() if event["event"] == "retried")
        assert (again["target"], again["party"], again["cause"]) == (None, "B", "it closed the connection")
        assert "MaxStartups" in again["hint"]
        assert narrow.leftovers() == []


def test_a_quota_that_is_reached_is_said_and_a_larger_one_helps(world):
    (world.target("web").source / "more").write_bytes(os.urandom(30_000_000))
    full = world.run("-q", config=config_of(world, "web", Quota="12M"))
    assert full.returncode == 2, full.stderr
    assert "error: backup server: the storage quota of this repository is reached" in full.stderr
    assert "hint: raise its Quota" in full.stderr
    done = world.run("-q", config=config_of(world, "web", Quota="2G"))
    (world.target("web").source / "more").unlink()
    assert done.returncode == 0, done.stderr
    world.lab.borg(world.target("web"), "check", "--verify-data")


# A second run waits for a short command, and for one that shows no life.
PATIENT = """\
from borgpull.ledger import lasting_session
lasting_session.LOCK_SECONDS = 1000
"""
HASTY = """\
from borgpull.ledger import lasting_session
from borgpull.ssh import watchdog
lasting_session.LOCK_SECONDS = watchdog.BEAT_SECONDS = 1
"""


def test_two_runs_at_once_come_one_after_the_other(world, tmp_path):
    assert world.run("-q", config=config_of(world, "mail")).returncode == 0
    before = world.lab.archives(world.target("mail"))
    runs = [Run(world, config_of(world, "mail", retries=2), tmp_path, changed=PATIENT) for _ in range(2)]
    done = [run.end() for run in runs]
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    assert len(world.lab.archives(world.target("mail"))) == len(before) + 2
    assert all(run.accusations() == [] for run in runs)
    assert world.leftovers() == []


@pytest.mark.parametrize("changed", [HASTY, pytest.param("", marks=pytest.mark.slow)])
def test_a_run_that_finds_another_one_at_work_says_so_and_leaves_the_target_alone(world, changed, tmp_path):
    failed = tmp_path / "failed"
    config = config_of(world, "web", "mail", retries=2, OnFailure=[f"touch {failed}"], Before=[f"touch {failed}"])
    hangs = config_of(world, "web", BorgPath=hanging(world), StallTimeout="4m")
    first = Run(world, hangs, tmp_path, changed=changed)
    first.until(lambda: first.has("step_started", step="create"))
    second = Run(world, config, tmp_path, "--json", changed=changed)
    done = second.end()
    status = json.loads(world.run("status", "--json", config=config).stdout)["targets"][0]
    asked = None if changed else world.run("accept", "web", "--yes", config=config)
    first.process.send_signal(signal.SIGINT)
    assert first.end().returncode == 130
    assert done.returncode == 1, done.stderr
    holder = f"another run of borgpull is at work on this repository already: {socket.gethostname()}, pid "
    assert f"warning: backup server: {holder}{first.process.pid}, run " in done.stderr
    assert second.has("target_finished", target="web", outcome="busy")
    assert second.has("target_finished", target="mail", outcome="done")
    assert not second.has("retried")
    assert json.loads(done.stdout)["totals"]["outcomes"]["busy"] == 1
    assert not failed.exists()
    assert f"pid {first.process.pid}, " in status["at_work"]
    assert status["history"][-1]["outcome"] == "busy"
    assert status["state"] != "failing"
    if asked:
        assert (asked.returncode, f"error: backup server: {holder}" in asked.stderr) == (2, True), asked.stderr
    assert world.leftovers() == []
    assert world.run("-q", config=config_of(world, "web")).returncode == 0


def test_what_a_killed_session_left_on_the_target_goes_and_nothing_else(world):
    folder: Path = world.target("web").host.temporary
    with (
        subprocess.Popen(["sleep", "1000"]) as living,
        subprocess.Popen(["true"]) as dead,
    ):
        dead.wait()
        began = Path(f"/proc/{living.pid}/stat").read_text().rpartition(")")[2].split()[19]
        # The pid of one has come round again.
        of = {"a": f"{dead.pid} {began}", "b": f"{living.pid} {began}", "c": None, "d": f"{living.pid} 1"}
        for name, pid in ((letter * 10, pid) for letter, pid in of.items()):
            (folder / f"borgpull.{name}").mkdir()
            (folder / f"borgpull.{name}" / "borg").touch()
            if pid is not None:
                (folder / f"borgpull.{name}" / "pid").write_text(f"{pid}\n")
        (folder / "borgpull.other").mkdir()
        try:
            assert world.run("-q", config=config_of(world, "web")).returncode == 0
        finally:
            living.kill()
    left = sorted(place.name for place in folder.iterdir())
    assert left == ["borgpull.bbbbbbbbbb", "borgpull.cccccccccc", "borgpull.other"]
