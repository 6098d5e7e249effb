"""Borg's cache on C: what a killed borg left locked there is open again, and a borg at work keeps its lock."""

import subprocess
from pathlib import Path

import pytest

from borgpull.errors import Failure
from borgpull.transport.borg_cache import cache_in_use
from support import loopback_world
from support.reading import only


@pytest.fixture
def locked(tmp_path) -> Path:
    """A cache with the lock of another host's borg in it; returns the lock."""
    return lock(tmp_path / ".cache" / "borg" / ("a" * 64))


def lock(folder: Path) -> Path:
    held = folder / "lock.exclusive"
    held.mkdir(parents=True)
    (held / "another@host.1-0").touch()
    (folder / "lock.roster").write_text('{"shared": [["another@host", 1, 0]]}')
    return held


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(Failure, match=f"^controller: .* cache .*{tmp_path}/gone: No such file") as failed,
        cache_in_use(tmp_path / "gone"),
    ):
        pass
    assert "--cache-dir" in failed.value.hint


def test_a_lock_that_nobody_holds_any_more_goes_and_nothing_else(locked, tmp_path):
    chunks = locked.with_name("chunks")
    chunks.touch()
    with cache_in_use(tmp_path):
        assert sorted(locked.parent.iterdir()) == [chunks]


def test_a_lock_stays_while_another_borg_is_at_work(tmp_path):
    with cache_in_use(tmp_path):
        held = lock(tmp_path / ".cache" / "borg" / ("a" * 64))
        with cache_in_use(tmp_path):
            assert held.exists()


def test_a_lock_stays_for_as_long_as_the_borg_of_a_killed_controller_lives(tmp_path):
    with cache_in_use(tmp_path) as word:
        borg = subprocess.Popen(["sleep", "1000"], pass_fds=[word])
    held = lock(tmp_path / ".cache" / "borg" / ("a" * 64))
    with borg:
        with cache_in_use(tmp_path):
            assert held.exists()
        borg.kill()
    with cache_in_use(tmp_path):
        assert not held.exists()


def test_a_controller_with_another_name_goes_on_with_the_cache_of_one_that_was_killed():
    # Borg itself would wait for a minute, and fail.
    with loopback_world(["web"]) as world:
        config = only(world.lab.config(), "web")
        assert world.run("-q", config=config).returncode == 0
        (folder,) = {place.parent for place in world.cache.rglob("chunks")}
        lock(folder)
        done = world.run("-q", config=config)
        assert done.returncode == 0, done.stderr
        assert not list(folder.glob("lock.*"))
