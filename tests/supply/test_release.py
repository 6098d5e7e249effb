"""What is handed out: the same commit gives the same bytes, they work, and a bill says what belongs to them."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT


def cloned(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


def built(folder: Path, **env: str) -> dict[str, bytes]:
    """Build wheel and sdist in a clone; return them by name."""
    done = subprocess.run(
        ["scripts/dist.sh"], cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = {file.name: file.read_bytes() for file in (folder / "dist").iterdir()}
    told = dict(line.split()[::-1] for line in done.stdout.splitlines() if " " in line and len(line.split()[0]) == 64)
    assert told == {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    return made


def test_the_same_commit_gives_the_same_bytes_and_they_work(tmp_path):
    one, other = cloned(tmp_path / "one"), cloned(tmp_path / "other folder")
    (other / "borgpull" / "not committed.py").write_text("")
    os.utime(other / "README.md", (0, 0))
    (other / "README.md").chmod(0o600)
    first = built(one)
    assert built(other, TZ="Asia/Tokyo", HOME=str(tmp_path)) == first
    (wheel,) = (one / "dist" / name for name in first if name.endswith(".whl"))
    argv = [sys.executable, "-S", "-c", "import borgpull; print(borgpull.__file__)"]
    said = subprocess.run(
        argv, env={"PYTHONPATH": str(wheel)}, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(str(wheel))


@pytest.mark.slow
def test_the_bill_of_materials_names_what_runs_and_how_it_hangs_together(tmp_path):
    folder = cloned(tmp_path / "one")
    subprocess.run(["scripts/sbom.sh"], cwd=folder, check=True, capture_output=True)
    bill = json.loads((folder / "dist" / "borgpull.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"]
    parts = {part["bom-ref"]: part for part in bill["components"]}
    assert all(part["licenses"] for part in parts.values())
    (own,) = (each for each in bill["dependencies"] if each["ref"] == bill["metadata"]["component"]["bom-ref"])
    named = {parts[ref]["name"] for ref in own["dependsOn"]}
    assert {"pydantic", "plumbum", "rich", "tomlkit", "msgpack"} <= named
    assert {"pytest", "hatchling", "cyclonedx-bom"} & {part["name"] for part in parts.values()} == set()
