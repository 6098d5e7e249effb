"""Honest sessions are never accused, whatever befell them, and the next run goes on where they ended."""

import os
import signal
from pathlib import Path

import pytest

from lab.trees import plant
from support import World, borg_14, loopback_world
from support.following import Run, command_with
from support.place import DISTRIBUTION_BORG
from support.reading import only

pytestmark = pytest.mark.slow

# Some ten seconds of work for borg, and no space on the disk.
LONG = 6_000_000_000


@pytest.fixture
def lone():
    """A world with one target."""
    with loopback_world(["web"], planted=False) as world:
        plant(world.target("web").source / "first", files=3)
        yield world


def keeping_one(world: World, **changes: str) -> dict:
    config = only(world.lab.config(), "web", **changes)
    config["Borg"] |= {"PruneSetting": "--keep-last 1", "CheckEvery": "always"}
    return config


def random_files(world: World, name: str) -> None:
    (world.target("web").source / name).write_bytes(os.urandom(3_000_000))


def test_first_unchanged_much_changed_pruned_and_compacted_with_versions_mixed(lone, tmp_path):
    random_files(lone, "a")
    said = []
    for number, (on_target, on_controller) in enumerate(
        [(DISTRIBUTION_BORG, borg_14()), (borg_14(), ""), (DISTRIBUTION_BORG, ""), (borg_14(), borg_14())]
    ):
        if number == 2:
            (lone.target("web").source / "a").unlink()
            random_files(lone, "b")
        done = lone.run(config=keeping_one(lone, BorgPath=on_target), borg=on_controller)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    assert "prune: done, 1 removed" in said[1]
    assert "compact: done, freed" in said[2], "a run after it had something to survive"


def slowly(place: Path) -> str:
    """Make a borg that writes a checkpoint every second; return its path."""
    place.write_text('#!/bin/sh\nshift\nexec borg create --checkpoint-interval=1 "$@"\n')
    place.chmod(0o755)
    return str(place)


@pytest.fixture
def reading_long(lone, tmp_path):
    """Starts a run of the lone world, and returns it in the middle of a long file, after a checkpoint."""
    long = lone.target("web").source / "long"
    with long.open("wb") as hole:
        hole.truncate(LONG)
    repository = lone.target("web").repository

    def indexes() -> set[str]:
        return {place.name for place in repository.glob("index.*")}

    def start(*, checkpoint: bool = False) -> Run:
        config = keeping_one(lone, BorgPath=slowly(tmp_path / "borg"))
        # A second attempt would read all of it, and the next run nothing.
        config["Borg"]["Retries"] = 0
        run = Run(lone, config, tmp_path)
        run.until(lambda: run.has("step_started", step="create"))
        before = indexes()
        run.until(lambda: run.has("archive_progress") and run.events()[-1].get("original_size", 0) > 20_000_000)
        run.until(lambda: not checkpoint or indexes() - before)
        return run

    return start


def target_session(world: World) -> int:
    """Return the pid of the sshd that holds the connection of T."""
    return min(pid for pid in _children(world.target("web").host.pid))


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_interrupted_killed_cut_off_and_resumed(lone, reading_long, tmp_path):
    run = reading_long(checkpoint=True)
    run.process.send_signal(signal.SIGINT)
    assert run.end().returncode == 130
    assert run.accusations() == []
    listed = lone.lab.borg(lone.target("web"), "list", "--short", "--consider-checkpoints").decode()
    assert ".checkpoint" in listed, "there is half an archive to be judged"

    run = reading_long()
    os.kill(command_with(lone.target("web").host.pid, b"--checkpoint-interval=1"), signal.SIGKILL)
    assert run.end().returncode == 2
    assert run.accusations() == []

    run = reading_long()
    os.kill(target_session(lone), signal.SIGKILL)
    assert run.end().returncode == 2
    assert run.accusations() == []

    run = reading_long(checkpoint=True)
    run.kill()
    (lone.target("web").source / "long").unlink()
    done = lone.run(config=keeping_one(lone))
    assert done.returncode == 0, done.stderr
    assert "inspect: done, an interrupted run was verified" in done.stderr


MOMENTS = (
    ("step_started", "inspect"),
    ("step_finished", "inspect"),
    ("step_finished", "create"),
    ("step_started", "verify"),
    ("step_finished", "verify"),
    ("step_finished", "check"),
    ("step_started", "prune"),
    ("step_finished", "prune"),
)


def test_a_controller_killed_at_any_step_leaves_nothing_to_accuse(lone, tmp_path):
    config = keeping_one(lone)
    for event, step in MOMENTS:
        random_files(lone, "changing")
        run = Run(lone, config, tmp_path)
        run.until(lambda run=run, event=event, step=step: run.has(event, step=step))
        run.kill()
        assert run.accusations() == [], f"before {event} {step}"
    done = lone.run(config=config)
    assert done.returncode == 0, done.stderr
    assert lone.leftovers() == []
