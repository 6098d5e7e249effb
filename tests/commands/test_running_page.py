"""The one-liners for programs in docs/ do what they say: the tests run them as printed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT, World, loopback_world
from support.reading import move, nobody_listens, only, script


def lines_with_jq(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [line for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE) if "| jq " in line]


LINES = lines_with_jq("running.md")
(HISTORY,) = lines_with_jq("monitoring.md")


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory) -> Iterator[tuple[World, Path]]:
    """A folder with a config.toml, of a good target and one on which nobody listens, and a `borgpull` on the PATH."""
    if shutil.which("jq") is None:
        assert not os.environ.get("CI"), "there is no jq: scripts/setup.sh work installs it"
        pytest.skip("there is no jq")
    folder = tmp_path_factory.mktemp("at hand")
    with loopback_world(["good", "bad"], planted=False) as world:
        (world.target("good").source / "file").write_text("")
        (folder / "bin").mkdir()
        script(folder / "bin" / "borgpull", f'exec {sys.executable} -m borgpull "$@"\n')
        yield world, folder


def printed(at_hand: tuple[World, Path], line: str, *names: str) -> str:
    """Run a line of a page in a shell, with these targets in config.toml; return what it printed."""
    world, folder = at_hand
    config = only(world.lab.config(), *names)
    config["Borg"]["Retries"] = 0
    if "bad" in names:
        move(config, "bad", nobody_listens(), world.target("bad").host.host_key.public)
    (folder / "config.toml").write_text(world.lab.config_text(config))
    env = world.environment()
    env["PATH"] = f"{folder / 'bin'}{os.pathsep}{env['PATH']}"
    done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_as_many_as_are_tried_here():
    assert len(LINES) == 3


def test_the_first_names_the_targets_without_a_good_backup(at_hand):
    assert printed(at_hand, LINES[0], "bad") == "bad\n"


def test_the_second_tells_of_each_target_what_came_of_it(at_hand):
    text = printed(at_hand, LINES[1], "good", "bad")
    good, bad = json.loads("[" + text.replace("}\n{", "},{") + "]")
    world, _ = at_hand
    assert bad == {"name": "bad", "outcome": "failed", "archive": None, "new": None}
    assert [good["archive"]] == world.lab.archives(world.target("good"))
    assert (good["name"], good["outcome"]) == ("good", "done")
    assert good["new"] > 0


def test_the_third_tells_what_failed(at_hand):
    said = printed(at_hand, LINES[2], "bad")
    assert said == "T bad: the connection was refused: no sshd listens on that port\n"


def test_the_history_line_shows_the_last_run_of_a_target(at_hand):
    printed(at_hand, LINES[0], "good")
    *_, last = printed(at_hand, HISTORY, "good").splitlines()
    assert re.fullmatch(r"good \S+Z run done ?", last)
