"""`drill`: files are read back, and a backup that cannot be read back any more makes it fail."""

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import referencing

from support import World, loopback_world
from support.place import ROOT, borg_14, python_of

SCHEMAS = {
    name: json.loads((ROOT / "docs" / f"{name}.schema.json").read_text()) for name in ("list", "restore", "drill")
}
REGISTRY = referencing.Registry().with_resources(
    (f"{name}.schema.json", referencing.Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)
SCHEMA = jsonschema.Draft202012Validator(SCHEMAS["drill"], registry=REGISTRY)


def drilled(world: World, *arguments: str, borg: str = "") -> tuple[int, dict[str, dict]]:
    done = world.run("drill", *arguments, "--json", borg=borg)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    SCHEMA.validate(report)
    return done.returncode, {each["name"]: each for each in report["targets"]}


def damage(repository: Path) -> None:
    """Change some bytes in the middle of the largest segment, as a bad disk does."""
    segment = max(repository.glob("data/*/*"), key=lambda place: place.stat().st_size)
    with segment.open("r+b") as file:
        file.seek(segment.stat().st_size * 2 // 5)
        file.write(b"\xff" * 4000)


# Two chunks of content, the largest objects; the repository itself is sound afterwards: only who reads them can tell.
MEDDLE = """\
import sys
from borg.logger import setup_logging
from borg.repository import Repository
setup_logging()
how, place = sys.argv[1:]
with Repository(place, exclusive=True) as repository:
    found = {each: repository.get(each) for each in repository.list()}
    one, other = sorted(found, key=lambda each: len(found[each]))[-2:]
    if how == "missing":
        repository.delete(one)
    elif how == "swapped":
        repository.put(one, found[other])
        repository.put(other, found[one])
    else:
        repository.put(one, found[one][:1] + bytes(byte ^ 90 for byte in found[one][1:]))
    repository.commit(compact=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_a_chunk_that_is_not_what_it_was_makes_it_fail(version):
    borg = borg_14() if version == "1.4" else ""
    with loopback_world(["web"]) as world:
        assert world.run("-q", borg=borg).returncode == 0
        assert drilled(world, "--files", "1000", borg=borg)[0] == 0
        repository = world.target("web").repository
        sound = shutil.copytree(repository, repository.with_name("sound"))
        for how in ("missing", "swapped", "garbage"):
            subprocess.run([python_of(version), "-c", MEDDLE, how, str(repository)], check=True)
            code, told = drilled(world, "--files", "1000", borg=borg)
            assert (code, told["web"]["good"]) == (2, False), how
            assert told["web"]["cause"]
            shutil.rmtree(repository)
            shutil.copytree(sound, repository)
        assert drilled(world, "--files", "1000", borg=borg)[0] == 0
        assert world.leftovers() == []


def test_a_backup_is_read_back_until_the_disk_of_b_is_damaged():
    with loopback_world(["web"]) as world:
        assert world.run("-q").returncode == 0
        code, told = drilled(world, "--seed", "7", "--files", "60")
        assert code == 0
        assert [each["good"] for each in told.values()] == [True]
        assert all(each["compared"]["same"] == each["picked"] == 60 for each in told.values())
        assert world.leftovers() == []
        damage(world.target("web").repository)
        code, told = drilled(world, "web", "--seed", "7", "--files", "60")
        assert (code, told["web"]["good"]) == (2, False)
        assert (told["web"]["party"], told["web"]["cause"]) == ("B", "the repository is damaged")
        assert world.leftovers() == []


@pytest.mark.slow
def test_a_target_that_was_never_backed_up_fails_and_says_so():
    with loopback_world(["web"]) as world:
        done = world.run("drill")
        assert done.returncode == 2
        assert "there is no repository" in done.stdout
        assert "0 of 1 target can be read back" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--size", "much"], ["--files", "0"], ["--seed", "-1"], ["nobody"]])
def test_a_wrong_command_line_contacts_nobody(world, arguments):
    done = world.run("drill", *arguments)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("error: ")


@pytest.mark.slow
def test_a_file_that_is_larger_than_the_limit_is_never_picked(world):
    assert world.run("-q").returncode == 0
    code, told = drilled(world, "web", "--size", "25K", "--files", "1000")
    assert code == 0
    assert 0 < told["web"]["picked_size"] <= 25_000
    none, told = drilled(world, "web", "--size", "0.001K", "--files", "1000")
    assert none == 2
    assert "none that fits into the limit" in told["web"]["cause"]
