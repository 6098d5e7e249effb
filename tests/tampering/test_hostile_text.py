"""What a hostile T prints moves no cursor, fills no memory of C, and is not believed."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from attacks.attack import plant as plant_attack
from support import Result, World, loopback_world
from support.reading import only

pytestmark = pytest.mark.slow

HOSTILE = ("hostile_text", "endless_line", "flood", "wrong_json")
MEGABYTE = 1024 * 1024
# Of the gigabyte, as much as shows whether it is kept.
FLOOD = 96 * MEGABYTE
SECONDS = 180.0
# Of a line of ours: 500 characters of what T said, and our own words around it.
LONGEST = 1500


def hostile_borg(place: Path, name: str) -> str:
    plant_attack(place, name)
    if name == "flood":
        whole = place.with_name("whole flood")
        place.rename(whole)
        place.write_text(f'#!/bin/sh\n{{ "{whole}" "$@" 2>&1 1>&3 | head -c {FLOOD} >&2; }} 3>&1\nexit 1\n')
        place.chmod(0o755)
    return str(place)


def run(world: World, *options: str, names: Sequence[str], borgs: Mapping[str, str]) -> tuple[Result, int]:
    """Run for the targets of these names, with these borgs; return the result and the peak of C's memory in bytes."""
    config = only(world.lab.config(), *names)
    for entry in config["Servers"]:
        entry["BorgPath"] = borgs.get(entry["Name"], "borg")
    with world.start("--json", *options) as process, ThreadPoolExecutor() as threads:
        read = threads.submit(process.communicate, world.lab.config_text(config), timeout=SECONDS)
        peak = 0
        while not read.done():
            peak = max(peak, _peak(process.pid))
            wait([read], timeout=0.01)
        stdout, stderr = read.result()
    return Result(process.returncode, stdout, stderr), peak


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0][1]) * 1024 if lines else 0


def moves_a_cursor(text: str) -> list[str]:
    return sorted({repr(letter) for letter in text if letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf")})


@pytest.fixture
def four():
    """A world whose targets are named as what they will print, each with one archive."""
    with loopback_world([name.replace("_", "-") for name in HOSTILE], planted=False) as world:
        for target in world.targets:
            (target.source / "file").write_bytes(b"x" * 100_000)
        yield world


def test_hostile_output_is_kept_in_bounds_and_not_believed(four):
    names = [target.name for target in four.targets]
    honest, usual = run(four, names=names, borgs={})
    assert honest.returncode == 0, honest.stderr
    before = {target.name: four.lab.archives(target) for target in four.targets}
    borgs = {t.name: hostile_borg(t.host.directory / "evil", t.name.replace("-", "_")) for t in four.targets}
    untrusted, peak = run(four, names=names, borgs=borgs)
    assert peak - usual < 32 * MEGABYTE, f"{usual} became {peak}"
    assert untrusted.returncode == 2, untrusted.stderr
    assert "Traceback" not in untrusted.stderr
    assert moves_a_cursor(untrusted.stdout + untrusted.stderr) == []
    assert max(map(len, untrusted.stderr.splitlines())) < LONGEST
    outcomes = {row["name"]: row["outcome"] for row in json.loads(untrusted.stdout)["targets"]}
    assert outcomes == dict.fromkeys(names, "failed")
    assert {target.name: four.lab.archives(target) for target in four.targets} == before

    shown, _ = run(four, "-v", names=["hostile-text"], borgs=borgs)
    assert moves_a_cursor(shown.stdout + shown.stderr) == []
    assert "owned" in shown.stderr, "what it said is shown to those who ask with -v"
    assert "[bold red]markup[/]" in shown.stderr, "as it is, and not as markup"
