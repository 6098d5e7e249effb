"""`make check` fails when the shape of the package gets worse: a circle of imports, a floor too high, a size passed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT


@pytest.fixture
def house(tmp_path) -> Path:
    """A copy of the package and of what `make check` reads."""
    shutil.copytree(ROOT / "borgpull", tmp_path / "borgpull", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def imports_judged(house: Path) -> tuple[int, str]:
    program = Path(sys.executable).with_name("lint-imports")
    env = os.environ | {"PYTHONPATH": str(house)}
    done = subprocess.run([program, "--no-cache"], cwd=house, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def size_judged(house: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, house / "scripts" / "size.py"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def add(house: Path, place: str, text: str) -> None:
    with (house / "borgpull" / place).open("a") as file:
        file.write(text)


def test_the_house_is_in_order(house):
    assert imports_judged(house)[0] == 0
    assert size_judged(house)[0] == 0


def test_two_files_of_a_room_that_import_each_other_are_a_circle(house):
    add(house, "gate/one.py", "from . import other\n")
    add(house, "gate/other.py", "def late():\n    from . import one\n")
    code, said = imports_judged(house)
    assert code != 0
    assert "No cycles are allowed in borgpull.gate" in said


def test_a_room_that_imports_from_a_floor_above_is_named(house):
    add(house, "guard/verdict.py", "from .. import cli\n")
    code, said = imports_judged(house)
    assert code != 0
    assert "borgpull.guard is not allowed to import borgpull.cli" in said


def test_lines_that_hold_no_code_cost_nothing_and_code_does(house):
    _, before = size_judged(house)
    add(house, "errors.py", '\n\n# a word\n\n\nclass A:\n    """One.\n\n    Two.\n    """\n')
    _, after = size_judged(house)
    numbers = [[int(line.split()[0]) for line in said.splitlines()[:2]] for said in (before, after)]
    assert numbers[1] == [numbers[0][0], numbers[0][1] + 1]
    add(house, "errors.py", "A()\n" * 20_000)
    code, said = size_judged(house)
    assert code == 1
    assert "too many lines" in said
