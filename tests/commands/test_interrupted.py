"""A run that is stopped or cut off in the middle tidies up everywhere, says so, and the next one works."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab import processes
from support import World, loopback_world
from support.reading import connections, entry, events, only, row, script, until

# Some eight seconds of sending, and little work.
LONG = 60_000_000
RATE = "8M"
DEADLINE = 150


@pytest.fixture
def busy():
    """A world with one target that takes long to back up, and a small one."""
    with loopback_world() as world:
        (world.target("web").source / "long").write_bytes(os.urandom(LONG))
        yield world


def start(world: World, told: Path, *names: str, retries: int = 2, patience: str = "10m") -> subprocess.Popen:
    said = only(world.lab.config(), *(names or ("web",)))
    said["Borg"] |= {"Retries": retries, "ServerPatience": patience, "Defaults": {"UploadRateLimit": RATE}}
    config = world.memory / "config.toml"
    config.write_text(world.lab.config_text(said))
    return world.start("--events", str(told), "--config", str(config))


def reading(told: Path) -> bool:
    """Tell whether T's borg is in the middle of the long file."""
    return any(e["event"] == "archive_progress" and e["original_size"] > 10_000_000 for e in events(told))


def begun(told: Path, step: str) -> bool:
    return any(e["event"] == "step_started" and e["step"] == step for e in events(told))


def outcome(told: Path, target: str) -> str:
    (found,) = (e["outcome"] for e in events(told) if e["event"] == "target_finished" and e["target"] == target)
    return found


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_run_stopped_while_a_target_is_read_leaves_nothing_behind(busy, number, code, tmp_path):
    told = tmp_path / "events"
    with start(busy, told) as run:
        until(lambda: reading(told), process=run)
        run.send_signal(number)
        _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode == code, said
    assert "Traceback" not in said
    assert "interrupted" in said
    assert outcome(told, "web") == "interrupted"
    assert "web: interrupted, " in said
    assert ", its checkpoint is kept, and the next run goes on from it" in said
    assert busy.leftovers() == []


def test_a_run_that_is_stopped_tells_all_the_same_that_a_repository_was_tampered_with(busy, tmp_path):
    told, mail = tmp_path / "events", busy.target("mail")
    config = only(busy.lab.config(), "mail")
    assert busy.run(config=config).returncode == 0
    busy.lab.borg(mail, "delete", f"::{busy.lab.archives(mail)[0]}")
    with start(busy, told, "web", "mail") as run:
        until(lambda: reading(told) and any(e["event"] == "target_finished" for e in events(told)), process=run)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode == 3, said
    assert (outcome(told, "web"), outcome(told, "mail")) == ("interrupted", "tampered")
    assert events(told)[-1]["outcome"] == "tampered"
    stands = json.loads(busy.run("status", "--json", config=busy.lab.config()).stdout)["targets"]
    past = {each["name"]: [event["outcome"] for event in each["history"]] for each in stands}
    assert past == {"web": ["interrupted"], "mail": ["done", "tampered"]}


def test_what_was_sent_before_an_interrupt_is_not_sent_again(world, tmp_path):
    target, told = world.target("web"), tmp_path / "events"
    for number in range(12):
        (target.source / f"large {number:02}").write_bytes(os.urandom(2_000_000))
    config = world.memory / "config.toml"
    slow = script(tmp_path / "borg", 'shift\nexec borg create --upload-ratelimit=4000 "$@"\n')
    slowly = only(world.lab.config(), "web")
    entry(slowly, "web")["BorgPath"] = slow
    config.write_text(world.lab.config_text(slowly))
    with world.start("--events", str(told), "--config", str(config)) as run:
        until(lambda: any(e.get("original_size", 0) > 9_000_000 for e in events(told)), process=run)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode == 130, said
    assert world.lab.archives(target) == []
    again = world.run("--json", config=only(world.lab.config(), "web"))
    assert again.returncode == 0, again.stderr
    assert row(again, "web")["original_size"] > 24_000_000
    assert row(again, "web")["deduplicated_size"] < 21_000_000


@pytest.mark.parametrize("step", ["connect", "inspect", "prune"])
def test_a_run_stopped_in_any_other_step_leaves_nothing_behind(shared_world, step, tmp_path):
    told = tmp_path / "events"
    with start(shared_world, told) as run:
        until(lambda: begun(told, step), process=run)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert shared_world.leftovers() == []


def test_a_second_signal_stops_it_at_once_and_the_next_run_goes_on(busy, tmp_path):
    told = tmp_path / "events"
    with start(busy, told) as run:
        until(lambda: reading(told), process=run)
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode in (130, 143), said
    assert busy.leftovers() == []
    (busy.target("web").source / "long").unlink()
    after = busy.run(config=only(busy.lab.config(), "web"))
    assert after.returncode == 0, after.stderr
    assert busy.lab.archives(busy.target("web"))[-1].startswith("snapshot-")


def test_a_controller_that_is_killed_leaves_no_process_and_no_key(busy, tmp_path):
    told = tmp_path / "events"
    with start(busy, told) as run:
        until(lambda: reading(told), process=run)
        run.kill()
        run.wait(30)
    (busy.memory / "config.toml").unlink()
    until(lambda: all("left: /dev/shm" in line for line in busy.leftovers(seconds=0)), seconds=30)
    keys = [place for place in busy.memory.rglob("*") if place.is_file() and b"PRIVATE KEY" in place.read_bytes()]
    assert keys == []


@pytest.mark.parametrize("party", [pytest.param("T web", marks=pytest.mark.slow), "B"])
def test_a_connection_that_dies_in_the_middle_is_made_again(busy, party, tmp_path):
    told = tmp_path / "events"
    with start(busy, told, "web", "mail") as run:
        until(lambda: reading(told), process=run)
        processes.end(connections(busy.lab.server if party == "B" else busy.target("web").host))
        os.truncate(busy.target("web").source / "long", 20_000)
        _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode == 0, said
    assert (outcome(told, "web"), outcome(told, "mail")) == ("done", "done")
    again = [event for event in events(told) if event["event"] == "retried"]
    assert {event["party"] for event in again} == {party}
    assert "web" in {event["target"] for event in again}
    assert all("closed the connection" in event["cause"] and event["hint"] for event in again)
    assert busy.leftovers() == []


@pytest.mark.parametrize("party", [pytest.param("T web", marks=pytest.mark.slow), "B"])
def test_without_retries_and_patience_it_is_named_and_the_next_run_goes_on(busy, party, tmp_path):
    told = tmp_path / "events"
    with start(busy, told, "web", retries=0, patience="0") as run:
        until(lambda: reading(told), process=run)
        processes.end(connections(busy.lab.server if party == "B" else busy.target("web").host))
        _, said = run.communicate(timeout=DEADLINE)
    assert run.returncode == 2, said
    (failure,) = (e for e in events(told) if e["event"] == "failed")
    assert (failure["party"], failure["cause"]) == (party, "it closed the connection")
    assert failure["hint"] != ""
    assert busy.leftovers() == []
