"""What is wrong with B's disk, with a repository, or with the age of a borg: who, what and the way out are said."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import World, loopback_world
from support.disks import fill, in_memory, resize
from support.following import Run
from support.reading import ends, entry, only, row, said_of, script, until

# As borg 1.1.18 on T and on C and borg 1.0 on B answer: with a usage message, and the exit status 2.
OLD = """\
echo 'usage: borg [-V] [-h] <command> ...' >&2
echo 'borg: error: unrecognized arguments: {}' >&2
exit 2
"""
# A borg on C that fills the disk of the repository before it does its work.
FILLING = """\
case " $* " in *" {step} "*) mount -o remount,size=20M {place} && cat /dev/zero >{place}/filler ;; esac 2>/dev/null
exec {borg} "$@"
"""
TROUBLES = {
    "full": ("create", "B: its disk has no room for a session: ", "free space below RootDir on the backup server"),
    "quota": ("create", "B: the storage quota of this repository is reached", "`borgpull accept`"),
    "locked": (
        "inspect",
        "B: the repository is locked by another borg: other@host, pid 1, since 20",
        "only when no borg works on it any more, on no host: `borgpull borg locked -- break-lock`",
    ),
    "old": ("create", "T old: its borg is too old", "install borg 1.2 or 1.4, or set BorgPath of this target"),
}


def waiting(repository: Path) -> list[float]:
    """Return for how many seconds each borg that waits for the lock of a repository has waited."""
    return [time.time() - place.stat().st_mtime for place in repository.glob("lock.exclusive.*.tmp")]


def lock(repository: Path) -> Path:
    """Lock a repository as a borg on another host does."""
    held = repository / "lock.exclusive"
    held.mkdir()
    (held / "other@host.1-0").touch()
    return held


@pytest.fixture(scope="module")
def troubled() -> Iterator[dict]:
    """What one run says of four targets, each with a trouble of its own."""
    with loopback_world(list(TROUBLES), planted=False) as world, contextlib.ExitStack() as mounted:
        places = {target.name: target.repository for target in world.targets}
        places["full"].mkdir()
        mounted.enter_context(in_memory(places["full"], "590M"))
        for target in world.targets:
            (target.source / "file").write_bytes(os.urandom(2_000_000))
            if target.name != "old":
                world.lab.borg(target, "init", "-e", "repokey-blake2")
        settings = (places["quota"] / "config").read_text()
        (places["quota"] / "config").write_text(settings.replace("storage_quota = 0\n", "storage_quota = 1000000\n"))
        lock(places["locked"])
        config = world.lab.config()
        entry(config, "old")["BorgPath"] = script(world.lab.directory / "old-borg", OLD.format("--noflags"))
        config["Borg"]["Defaults"] = {"LockWait": "1s"}
        result = world.run("--json", config=config)
        assert result.returncode == 2, result.stderr
        shutil.rmtree(places["locked"] / "lock.exclusive")
        assert world.leftovers() == []
        yield {name: row(result, name) for name in TROUBLES}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_is_told_with_its_party_its_cause_and_the_way_out(troubled, name):
    step, cause, hint = TROUBLES[name]
    said = said_of(troubled[name])
    assert said.startswith(cause), said
    assert hint in said.partition("\nhint: ")[2], said
    assert [each for each, end in ends(troubled[name]).items() if end not in ("done", "skipped")] == [step]


@pytest.mark.parametrize("name", ["full", "quota", "old"])
def test_a_session_that_failed_is_verified_and_nothing_is_made_permanent(troubled, name):
    assert troubled[name]["verdict"] == "clean"
    assert troubled[name]["archive"] is None
    then = [] if name == "old" else ["prune", "compact"]
    assert [step for step, end in ends(troubled[name]).items() if end != "skipped"] == [
        *("connect", "inspect", "create", "verify"),
        *then,
    ]


@pytest.fixture(scope="module")
def small_world() -> Iterator[World]:
    """B and one target without files, for runs that do not get far."""
    with loopback_world(["web"], planted=False) as world:
        yield world


def failure_of(world: World, config: dict | None = None, *, borg: str = "") -> str:
    result = world.run("--json", config=config, borg=borg)
    assert result.returncode == 2, result.stderr
    assert world.leftovers() == []
    return said_of(row(result, "web"))


def test_a_root_dir_without_room_is_told_before_anything_is_done(small_world):
    with in_memory(small_world.lab.root, "100k"):
        fill(small_world.lab.root)
        said = failure_of(small_world)
    assert said.startswith("B: its disk is full: could not lock the ledger: ")
    assert "hint: free space below RootDir on the backup server" in said


@pytest.mark.parametrize("known", [False, True], ids=["first-run", "later-run"])
def test_a_root_dir_that_may_not_be_written_is_told_before_anything_is_done(small_world, known):
    with in_memory(small_world.lab.root, "1M"):
        if known:
            (small_world.lab.root / ".borgpull" / "web").mkdir(parents=True)
        subprocess.run(["mount", "-o", "remount,ro", str(small_world.lab.root)], check=True)
        said = failure_of(small_world)
    assert said.startswith("B: its file system is read-only: could not lock the ledger: ")
    assert "hint: mount RootDir writable on the backup server" in said


def test_a_repository_that_may_not_be_written_is_told_and_is_whole_when_it_may_be_again(world):
    target = world.target("web")
    target.repository.mkdir()
    with in_memory(target.repository, "1G"):
        world.lab.borg(target, "init", "-e", "repokey-blake2")
        subprocess.run(["mount", "-o", "remount,ro", str(target.repository)], check=True)
        said = failure_of(world, only(world.lab.config(), "web"))
        assert said.startswith("B: its file system is read-only")
        assert "hint: mount RootDir writable on the backup server" in said
        subprocess.run(["mount", "-o", "remount,rw", str(target.repository)], check=True)
        done = world.run("-q", config=only(world.lab.config(), "web"))
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("step", "command"), [("prune", "delete"), ("compact", "compact")])
def test_a_disk_that_fills_leaves_the_repository_whole(world, step, command, tmp_path):
    target = world.target("web")
    filling = script(
        tmp_path / "borg", FILLING.format(step=command, place=target.repository, borg=shutil.which("borg"))
    )
    target.repository.mkdir()
    config = only(world.lab.config(), "web")
    config["Borg"]["PruneSetting"] = "--keep-last 1"
    with in_memory(target.repository, "1G"):
        world.lab.borg(target, "init", "-e", "repokey-blake2")
        (target.source / "more").write_bytes(os.urandom(4_000_000))
        assert world.run("-q", config=config).returncode == 0
        (target.source / "more").write_bytes(os.urandom(4_000_000))
        run = Run(world, config, tmp_path, borg=filling)
        done = run.end()
        assert done.returncode == 2, done.stderr
        assert "error: backup server: its disk is full" in done.stderr
        assert run.has("step_finished", step=step, outcome="failed")
        assert run.has("archive_created", target="web"), "what came before is kept"
        assert run.accusations() == []
        (target.repository / "filler").unlink()
        resize(target.repository, "1G")
        done = world.run("-q", config=config)
        assert done.returncode == 0, done.stderr
        assert world.leftovers() == []
        world.lab.borg(target, "check", "--verify-data")


def test_a_borg_on_b_that_is_too_old_is_not_taken_for_a_lost_connection(small_world):
    config = small_world.lab.config()
    borg = script(small_world.lab.server.directory / "old-borg", OLD.format("--restrict-to-repository"))
    config["Borg"]["Server"]["BorgPath"] = borg
    said = failure_of(small_world, config)
    assert said.startswith("B: its borg is too old")
    assert "hint: install borg 1.2 or 1.4, or set BorgPath in [Borg.Server]" in said


def test_a_borg_here_that_is_too_old_is_told(small_world):
    folder = small_world.lab.directory / "old"
    folder.mkdir()
    said = failure_of(small_world, borg=script(folder / "borg", OLD.format("--consider-checkpoints")))
    assert said.startswith("C: its borg is too old")
    assert said.endswith("hint: install borg 1.2 or 1.4")


@pytest.mark.slow
def test_a_lock_that_is_given_back_is_waited_for(world):
    # Left alone borg would give up after a second; with our --lock-wait it asks again every few seconds.
    target = world.target("web")
    world.lab.borg(target, "init", "-e", "repokey-blake2")
    held = lock(target.repository)
    with world.start("--json") as run:
        run.stdin.write(world.lab.config_text(only(world.lab.config(), "web")))
        run.stdin.close()
        run.stdin = None
        until(lambda: [age for age in waiting(target.repository) if age > 3], process=run)
        shutil.rmtree(held)
        _, said = run.communicate(timeout=180)
    assert run.returncode == 0, said
