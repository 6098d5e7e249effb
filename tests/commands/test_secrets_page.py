"""The recipes of docs/secrets.md, run as they stand there: a backup comes of each, and no secret stays on the disk."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT, World, found_on_disk, secrets_of
from support.reading import only, script

PAGE = (ROOT / "docs" / "secrets.md").read_text(encoding="utf-8")
RECIPES = {
    title: re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    for title, text in re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
TOOLS = {"age": "age", "sops": "sops", "systemd credential": "systemd-creds"}


def with_borgpull(folder: Path, disk: Path, world: World) -> dict[str, str]:
    """Return an environment in which `borgpull` is ours, and the machine's own key one of this test, on a disk."""
    (folder / "bin").mkdir()
    script(folder / "bin" / "borgpull", f'exec {sys.executable} -m borgpull "$@"\n')
    path = f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return world.environment() | {"PATH": path, "SYSTEMD_CREDENTIAL_SECRET": str(disk / "machine's key")}


def archives(world: World) -> int:
    target = world.target("web")
    return len(world.lab.archives(target)) if target.repository.exists() else 0


# What systemd decrypts is backed up by its unit as well, in tests/systemd.
@pytest.mark.parametrize("title", ["age", *(pytest.param(title, marks=pytest.mark.slow) for title in [*TOOLS][1:])])
def test_a_backup_comes_of_it_and_nothing_is_left_in_clear(shared_world: World, title, tmp_path, disk):
    env = with_borgpull(tmp_path, disk, shared_world)
    if shutil.which(TOOLS[title], path=env["PATH"]) is None:
        assert not os.environ.get("CI"), f"there is no {TOOLS[title]}: scripts/setup.sh work installs it"
        pytest.skip(f"there is no {TOOLS[title]}")
    config = shared_world.lab.config_text(only(shared_world.lab.config(), "web"))
    (tmp_path / "config.toml").write_text(config)
    before = archives(shared_world)
    lines = "\n".join(["set -euo pipefail", *RECIPES[title]])
    done = subprocess.run(["bash", "-c", lines], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert archives(shared_world) == before + 1
    assert found_on_disk(secrets_of(shared_world.lab), [tmp_path]) == []


def test_a_wrong_key_ends_in_an_error_of_borgpull(shared_world: World, tmp_path, disk):
    env = with_borgpull(tmp_path, disk, shared_world)
    (tmp_path / "config.toml").write_text(shared_world.lab.config_text())
    *prepared, decrypted = RECIPES["age"]
    lines = "\n".join(["set -eu", *prepared, "rm key.txt", "age-keygen -o key.txt", decrypted])
    done = subprocess.run(["bash", "-c", lines], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "stdin was empty" in done.stderr


def test_each_way_in_the_table_has_its_section():
    linked = set(re.findall(r"\]\(#([a-z-]+)\)", PAGE))
    assert {re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in RECIPES} == linked
