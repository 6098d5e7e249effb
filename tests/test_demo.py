"""`make demo` as a newcomer meets it: it works, can be stopped, says what is missing, and leaves nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import processes
from support import ROOT

DEMO = [sys.executable, "scripts/demo.py"]


def start(folder: Path, **env: str) -> subprocess.Popen:
    return subprocess.Popen(
        DEMO,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder), "HOME": str(folder / "home")} | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_untouched(folder: Path) -> bool:
    return list(folder.iterdir()) == [] and processes.mentioning(str(folder)) == []


def test_it_backs_up_twice_shows_the_archives_and_leaves_nothing(tmp_path):
    with start(tmp_path) as demo:
        _, said = demo.communicate(timeout=120)
    assert demo.returncode == 0, said
    for target in ("web", "mail"):
        assert f"{target}: 2 archives" in said
    assert said.count("every byte as it was") == 2
    assert is_untouched(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_leaves_nothing_when_it_is_stopped_in_the_middle(tmp_path, number):
    with start(tmp_path) as demo:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/repositories/*/data")):
            assert demo.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        demo.send_signal(number)
        _, said = demo.communicate(timeout=60)
    assert demo.returncode == 128 + number
    assert "Traceback" not in said
    assert is_untouched(tmp_path)


def test_it_says_what_is_missing_and_how_to_install_it(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("ssh", "ssh-keygen"):
        (folder / tool).symlink_to(shutil.which(tool))
    with start(tmp_path, PATH=str(folder)) as demo:
        _, said = demo.communicate(timeout=30)
    assert demo.returncode != 0
    assert "missing borg, socat" in said
    assert "sudo apt-get install borgbackup socat" in said
