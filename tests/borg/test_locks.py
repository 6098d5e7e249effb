"""Locks of borgs of ours that are gone go, those of living ones and of others stay, whatever the name of the host."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from borgpull.borg.locks import FREED, LOCKED, OWN_LOCKS
from borgpull.borg.output import read_line
from borgpull.ssh import BEGAN
from borgpull.ssh.prologue import PROLOGUE
from support.locks import holding

SCRIPT = PROLOGUE + BEGAN + OWN_LOCKS


@pytest.fixture(params=["dash", "bash", "busybox"])
def shell(request):
    return [shutil.which(request.param), *(["sh"] if request.param == "busybox" else [])]


@pytest.fixture(params=["1.2", "1.4"])
def version(request):
    return request.param


def ours(shell, start="exec"):
    """Return the words before a borg of ours; `start` is how its shell starts it."""
    return (*shell, "-c", f'{SCRIPT}own_locks "$4"; {start} "$@"; exit', "sh")


def looked(shell, folder):
    """Return the kinds and texts of what is said of a folder, and whether a borg started there has an id of ours."""
    script = f'{SCRIPT}own_locks "$1"; echo "${{BORG_HOST_ID-none}}"'
    done = subprocess.run([*shell, "-c", script, "sh", str(folder)], capture_output=True, text=True, check=True)
    messages = [read_line(line.encode()) for line in done.stderr.splitlines()]
    assert all(json.loads(line)["type"] == "log_message" for line in done.stderr.splitlines()), done.stderr
    return {(each.kind, each.text.partition(", since")[0]) for each in messages}, done.stdout.startswith("borgpull.")


def locks(folder):
    return sorted(place.name for place in folder.iterdir())


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_a_lock_of_ours_stays_while_its_borg_lives_and_goes_when_it_was_killed(shell, version, kind, tmp_path):
    with holding(tmp_path, kind, version=version, before=ours(shell)) as borg:
        held = locks(tmp_path)
        assert looked(shell, tmp_path) == ({(LOCKED, f"a command of borgpull, pid {borg.pid}")}, True)
        assert locks(tmp_path) == held != []
    said, is_ours = looked(shell, tmp_path)
    assert said == {(FREED, f"removed the lock of a borg of borgpull that is gone (pid {borg.pid})")}
    assert is_ours
    assert locks(tmp_path) == []


def test_a_borg_that_outlives_what_started_it_keeps_its_lock(shell, tmp_path):
    with holding(tmp_path, version="1.4", before=ours(shell, start="")) as started:
        (lock,) = (tmp_path / "lock.exclusive").iterdir()
        borg = int(lock.name.rpartition(".")[2].partition("-")[0])
        assert borg != started.pid
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
        assert looked(shell, tmp_path) == ({(LOCKED, f"a command of borgpull, pid {borg}")}, True)
        os.kill(borg, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while FREED not in {kind for kind, _ in looked(shell, tmp_path)[0]}:
            assert time.monotonic() < deadline
        assert locks(tmp_path) == []


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_another_borg_is_named_and_respected_and_borg_keeps_its_own_name(shell, version, kind, tmp_path):
    with holding(tmp_path, kind, version=version) as borg:
        held = locks(tmp_path)
        said, is_ours = looked(shell, tmp_path)
        assert [(kind, text.rpartition(", pid ")[2]) for kind, text in said] == [(LOCKED, str(borg.pid))]
        assert not is_ours
        assert locks(tmp_path) == held
    # Borg itself breaks that of its own host.
    with holding(tmp_path, kind, version=version, before=ours(shell)):
        pass


@pytest.mark.parametrize("name", ["other@host.1-0", "borgpull.one.1.2-0", "borgpull.1.2.3.4.x-0", "odd", "a b.1-0"])
def test_a_name_that_is_none_of_ours_is_respected(shell, name, tmp_path):
    (tmp_path / "lock.exclusive").mkdir()
    (tmp_path / "lock.exclusive" / name).touch()
    said, _ = looked(shell, tmp_path)
    assert {kind for kind, _ in said} == {LOCKED}
    assert (tmp_path / "lock.exclusive" / name).exists()


def test_a_pid_that_came_round_again_holds_nothing(shell, tmp_path):
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as other:
        name = f"borgpull.{other.pid}.{other.pid}.1.{other.pid}"
        (tmp_path / "lock.exclusive").mkdir()
        (tmp_path / "lock.exclusive" / f"{name}-0").touch()
        roster = {"exclusive": [["a@b", 1, 0]], "shared": [[name.rpartition(".")[0], other.pid, 0]]}
        (tmp_path / "lock.roster").write_text(json.dumps(roster))
        said, _ = looked(shell, tmp_path)
        other.kill()
    assert {kind for kind, _ in said} == {FREED}
    assert locks(tmp_path) == []


def test_what_a_living_reader_has_stays_beside_what_is_gone(shell, tmp_path):
    with holding(tmp_path, "shared", before=ours(shell)) as borg:
        with holding(tmp_path, "shared", before=ours(shell)):
            pass
        kinds = {kind for kind, _ in looked(shell, tmp_path)[0]}
        assert kinds == {FREED, LOCKED}
        assert str(borg.pid) in Path(tmp_path, "lock.roster").read_text()
