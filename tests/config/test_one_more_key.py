"""A key is added in one place, the model: what reads configs and what is published of it follow."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from sample import GOOD, filled

from support import ROOT

BEFORE = "    lock_wait: Duration = key("
ADDED = '    grain: Duration = key("how coarse it is ground", default="25m")\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a Python command line with a copy of the package, whose model has one more line."""
    house = tmp_path_factory.mktemp("house")
    for name in ("borgpull", "scripts", "docs"):
        shutil.copytree(ROOT / name, house / name, ignore=shutil.ignore_patterns("__pycache__"))
    model = house / "borgpull" / "config" / "model.py"
    text = model.read_text()
    assert text.count(BEFORE) == 1
    model.write_text(text.replace(BEFORE, ADDED + BEFORE))
    env = os.environ | {"PYTHONPATH": str(house)}

    def run(*argv, config=""):
        argv = [sys.executable, *argv]
        return subprocess.run(argv, cwd=house, env=env, input=config, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("table", ["[Borg.Defaults]\n", '[[Servers]]\nName = "web1"\n'])
def test_it_is_checked(run, keys, table):
    good = filled(GOOD.replace("[Borg.Server]", "[Borg.Defaults]\n[Borg.Server]"), keys)
    done = run("-m", "borgpull", "config", "check", config=good.replace(table, f'{table}grain = "26m"\n', 1))
    assert done.returncode == 0, done.stderr
    done = run("-m", "borgpull", "config", "check", config=good.replace(table, f'{table}Grain = "26"\n', 1))
    assert done.returncode == 4
    assert re.search(r"(Borg.Defaults|Servers\[0\])\.Grain.*: is not a duration: write a number and s, m", done.stderr)
    assert done.stderr.count("Grain") == 1
    done = run("-m", "borgpull", "config", "check", config=good.replace(table, f'{table}Grian = "26m"\n', 1))
    assert "did you mean `Grain`?" in done.stderr


def test_it_reaches_the_other_rooms(run):
    program = "from borgpull.config import Options; print(Options().grain)"
    assert run("-c", program).stdout == "1500\n"


def test_it_is_published(run):
    schema = json.loads(run("-m", "borgpull", "config", "schema").stdout)
    entry = {"type": "string", "description": "how coarse it is ground", "default": "25m"}
    assert schema["$defs"]["Options"]["properties"]["Grain"] == entry
    assert schema["$defs"]["Target"]["properties"]["Grain"] == entry
    example = run("-m", "borgpull", "config", "example").stdout
    assert example.count('# how coarse it is ground\n#Grain = "25m"\n') == 2


def test_the_page_of_all_keys_is_stale_until_it_is_made_anew(run):
    assert run("scripts/reference.py", "--check").returncode == 1
    assert run("scripts/reference.py").returncode == 0
    done = run("-c", "from pathlib import Path; print(Path('docs/config.md').read_text())")
    assert '| `Grain` | how coarse it is ground | `"25m"` |  |' in done.stdout
    assert run("scripts/reference.py", "--check").returncode == 0
