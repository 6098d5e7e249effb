"""A lock of borg that nobody holds any more is no trouble, and one that somebody may hold is named and respected."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from support import borg_of, loopback_world
from support.following import Run, command_with
from support.locks import holding
from support.reading import config_of, row, said_of, until

OURS, OTHER = "borgpull.1.2.3.4-0", "other@host.7-0"
LONG = 60_000_000


@pytest.fixture(scope="module")
def world():
    with loopback_world(["web"], planted=False) as made:
        (made.target("web").source / "file").write_bytes(b"content")
        assert made.run("-q").returncode == 0
        yield made


@pytest.fixture
def repository(world):
    place = world.target("web").repository
    yield place
    shutil.rmtree(place / "lock.exclusive", ignore_errors=True)
    (place / "lock.roster").unlink(missing_ok=True)


def lock(folder: Path, name: str) -> Path:
    held = folder / "lock.exclusive"
    held.mkdir()
    (held / name).touch()
    return held


def config(world, **changes):
    return config_of(world, "web", LockWait="1s", **changes)


@pytest.mark.parametrize("version", ["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def test_the_lock_of_a_serve_that_was_killed_goes_with_the_next_run_and_it_says_so(
    world, repository, version, tmp_path
):
    borg = borg_of(version)
    changed = config(world, BorgPath=borg, UploadRateLimit="1M")
    changed["Borg"]["Server"]["BorgPath"] = borg
    (world.target("web").source / "long").write_bytes(os.urandom(LONG))
    run = Run(world, changed, tmp_path, borg=borg)
    run.until(lambda: run.has("archive_progress"))
    serve = command_with(world.lab.server.pid, b"--append-only")
    # A controller that dies with its serve: nobody is left to tidy up.
    os.kill(serve, signal.SIGKILL)
    run.kill()
    (world.target("web").source / "long").unlink()
    until(lambda: not Path(f"/proc/{serve}").exists())
    (held,) = (repository / "lock.exclusive").iterdir()
    # Whatever the host is called then.
    assert re.fullmatch(r"borgpull(\.\d+){4}-0", held.name), held
    done = world.run("--json", config=config(world), borg=borg)
    assert done.returncode == 0, done.stderr
    assert "borg on the backup server: removed the lock of a borg of borgpull that is gone" in said_of(row(done, "web"))
    assert world.leftovers() == []


def test_the_lock_of_a_host_that_has_another_name_now_is_none(world, repository):
    lock(repository, OURS)
    listed = world.run("list", "web", config=config(world))
    assert listed.returncode == 0, listed.stderr
    assert not (repository / "lock.exclusive").exists()


@pytest.mark.slow
def test_another_borg_at_work_is_named_and_respected(world, repository):
    # By hand on a host that shares the disk, as a workstation over NFS.
    with holding(repository, env={"BORG_HOST_ID": "workstation@7"}) as other:
        done = world.run("--json", config=config(world))
        assert list((repository / "lock.exclusive").glob(f"workstation@7.{other.pid}-0"))
    shutil.rmtree(repository / "lock.exclusive")
    assert done.returncode == 2, done.stderr
    said = said_of(row(done, "web"))
    assert f"B: the repository is locked by another borg: workstation@7, pid {other.pid}, since 20" in said
    assert (
        "hint: wait for it to end; only when no borg works on it any more, on no host: `borgpull borg web -- " in said
    )
    assert world.run("-q", config=config(world)).returncode == 0


@pytest.mark.slow
def test_what_the_hint_says_breaks_the_lock_of_another_borg(world, repository):
    held = lock(repository, OTHER)
    (repository / "lock.roster").write_text('{"shared": [["other@host", 7, 0]]}')
    assert world.run("-q", config=config(world)).returncode == 2
    done = world.run("borg", "web", "--", "break-lock", config=config(world))
    assert done.returncode == 0, done.stderr
    assert not held.exists()
    assert world.run("-q", config=config(world)).returncode == 0


@pytest.mark.slow
def test_a_borg_of_this_very_host_that_was_killed_leaves_no_trouble(world, repository):
    with holding(repository):
        pass
    done = world.run("--json", config=config(world))
    assert done.returncode == 0, done.stderr
    assert "Killed stale lock" in said_of(row(done, "web"))


def test_a_lock_in_the_cache_of_a_target_goes_with_its_host(world, repository):
    (cache,) = world.target("web").host.directory.glob(".cache/borg/" + "?" * 64)
    lock(cache, OURS)
    done = world.run("--json", config=config(world))
    assert done.returncode == 0, done.stderr
    assert "borg on target web: removed the lock of a borg of borgpull that is gone" in said_of(row(done, "web"))


@pytest.mark.slow
def test_another_borg_in_the_cache_of_a_target_is_named_and_respected(world, repository):
    (cache,) = world.target("web").host.directory.glob(".cache/borg/" + "?" * 64)
    held = lock(cache, OTHER)
    done = world.run("--json", config=config(world))
    assert done.returncode == 2, done.stderr
    cause = "T web: borg's cache of this repository is locked by another borg there: other@host, pid 7, since 20"
    assert cause in said_of(row(done, "web"))
    shutil.rmtree(held)
    assert world.run("-q", config=config(world)).returncode == 0
