"""Accidents on a target: the archive is kept, the target is held in the first night, and nothing good is pruned."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support import World, borg_14, loopback_world
from support.kept import Kept
from support.reading import config_of, ends, row, said_of

SIZE = 6_000_000


def fill(world: World, files: int = 60) -> None:
    """Have a data folder beside the other source, with something in it."""
    data = world.target("web").source.parent / "data"
    data.mkdir(exist_ok=True)
    for number in range(files):
        (data / f"{number}").write_bytes(os.urandom(SIZE // files))


def rules(world: World, **changes) -> dict:
    paths = [str(world.target("web").source), str(world.target("web").source.parent / "data")]
    config = config_of(world, "web", **({"SourcePaths": paths} | changes))
    config["Borg"]["PruneSetting"] = "--keep-last 3"
    return config


def archives(world: World) -> list[str]:
    """The archives, as plain borg tells."""
    return world.lab.archives(world.target("web"))


def night(world: World, **changes) -> dict:
    """A run; what its report says of the target, with its exit code."""
    result = world.run("--json", config=rules(world, **changes))
    found = row(result, "web")
    return found | {"code": result.returncode, "ends": ends(found), "said": said_of(found)}


def status(world: World) -> dict:
    result = world.run("status", "--json", config=rules(world))
    return json.loads(result.stdout)["targets"][0] | {"code": result.returncode}


def release(world: World, *options: str):
    return world.run("release", "web", *options, config=rules(world))


@pytest.fixture(scope="module")
def kept():
    with loopback_world(("web",)) as world:
        fill(world)
        data = world.target("web").source.parent / "data"
        copied(data, data.with_name("as it was"))
        for _ in range(3):
            result = world.run(config=rules(world))
            assert result.returncode == 0, result.stderr
        yield Kept(world)


@pytest.fixture
def world(kept) -> World:
    """A target with three good archives, and `--keep-last 3`."""
    return kept.put_back()


@pytest.fixture
def data(world):
    """The folder of data of that target, as it was."""
    place = world.target("web").source.parent / "data"
    for old in (place, place.with_name("elsewhere")):
        old.unlink() if old.is_symlink() else shutil.rmtree(old, ignore_errors=True)
    copied(place.with_name("as it was"), place)
    return place


def copied(place: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", "-T", str(place), str(to)], check=True)


def emptied(data) -> None:
    for file in data.iterdir():
        file.unlink()


def linked(data) -> None:
    data.rename(data.with_name("elsewhere"))
    data.symlink_to(data.with_name("elsewhere"))


def shrunk(data) -> None:
    for file in sorted(data.iterdir())[8:]:
        file.unlink()


ACCIDENTS: dict[str, tuple[Callable, str]] = {
    "emptied": (emptied, "held something before and is an empty folder now"),
    "linked": (linked, "is a link to"),
    "shrunk": (shrunk, "came, less than 50% of the best of the last good archives"),
}


@pytest.mark.parametrize("accident", ACCIDENTS)
@pytest.mark.parametrize("version", ["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def test_what_is_missing_is_held_until_it_is_there_again(world, data, accident, version):
    happen, words = ACCIDENTS[accident]
    before = archives(world)
    newer = {"BorgPath": borg_14()} if version == "1.4" else {}
    happen(data)
    for _ in range(2):
        found = night(world, **newer)
        assert (found["code"], found["outcome"]) == (1, "held"), found["said"]
        assert words in found["said"]
        assert (found["ends"]["prune"], found["ends"]["compact"]) == ("skipped", "skipped")
    assert archives(world)[:3] == before
    stands = status(world)
    assert (stands["code"], stands["state"], stands["last_archive"]["name"]) == (1, "held", before[-1])
    assert "`borgpull release web`" in stands["hint"]
    data.unlink() if data.is_symlink() else shutil.rmtree(data)
    copied(data.with_name("as it was"), data)
    again = night(world, **newer)
    assert (again["code"], again["ends"]["prune"]) == (0, "done"), again["said"]
    assert status(world)["state"] == "ok"
    listed = json.loads(world.run("list", "web", "--json", config=rules(world)).stdout)["archives"]
    assert [each["set_aside"].partition(":")[0] for each in listed] == ["", "", "set aside", "set aside", ""]


def test_everything_rewritten_is_held_until_an_operator_decides(world, data):
    before = archives(world)
    for place in (data, world.target("web").source):
        for file in place.rglob("*"):
            if file.is_file() and not file.is_symlink():
                file.write_bytes(os.urandom(max(1, file.stat().st_size)))
    first = night(world)
    assert (first["code"], first["outcome"]) == (1, "held"), first["said"]
    assert " are new, at most " in first["said"]
    quiet = night(world)
    assert (quiet["code"], quiet["outcome"]) == (1, "held"), "the night after it looks like a quiet one"
    assert archives(world)[:3] == before
    undecided = release(world)
    assert undecided.returncode == 4
    assert "--good" in undecided.stderr
    assert status(world)["state"] == "held"
    assert release(world, "--set-aside").returncode == 0
    stands = status(world)
    assert (stands["state"], stands["last_archive"]["name"]) == ("ok", before[-1])
    assert [event["what"] for event in stands["history"]][-1] == "release"


def test_what_is_released_as_good_is_what_later_archives_are_compared_with(world, data):
    shrunk(data)
    assert night(world)["outcome"] == "held"
    assert release(world, "--good").returncode == 0
    after = night(world)
    assert (after["code"], after["ends"]["prune"]) == (0, "done"), after["said"]
    assert len(archives(world)) == 3


def test_a_planned_change_is_told_and_not_held(world, data):
    assert world.run("expect", "web", "--until", "2h", "--why", "moving", config=rules(world)).returncode == 0
    emptied(data)
    found = night(world)
    assert found["outcome"] == "done"
    assert "expected until" in found["said"]
    assert " (moving): " in found["said"]
    assert night(world)["code"] == 0


def test_a_closed_repository_is_not_released(world, data):
    emptied(data)
    assert night(world)["outcome"] == "held"
    world.lab.borg(world.target("web"), "delete", f"::{archives(world)[0]}")
    assert night(world)["code"] == 3
    refused = release(world, "--good")
    assert refused.returncode == 2
    assert "its repository is closed" in refused.stderr
    assert world.run("accept", "web", "--yes", config=rules(world)).returncode == 0
    assert status(world)["state"] == "held", "to accept is not to release"


def test_two_targets_whose_connections_were_swapped_are_held():
    with loopback_world(("web", "mail")) as world:
        config = config_of(world, "web", "mail")
        assert world.run("-q", config=config).returncode == 0
        first, second = config["Servers"]
        first["Connection"], second["Connection"] = second["Connection"], first["Connection"]
        first["SourcePaths"], second["SourcePaths"] = second["SourcePaths"], first["SourcePaths"]
        result = world.run("--json", config=config)
        for name in ("web", "mail"):
            assert row(result, name)["outcome"] == "held", said_of(row(result, name))
            assert "the host key of another target" in said_of(row(result, name))
        assert result.returncode == 1


def test_a_disk_of_the_backup_server_that_is_not_mounted_gets_no_new_repository():
    with loopback_world(("web",)) as world:
        config = config_of(world, "web")
        shutil.rmtree(world.lab.root / ".borgpull")
        first = world.run("--json", config=config)
        assert (first.returncode, row(first, "web")["outcome"]) == (1, "warning"), first.stderr
        assert "made the first repository below RootDir" in said_of(row(first, "web"))
        assert world.run(config=config).returncode == 0
        # The disk goes, its mount point stays.
        disk = world.lab.root.rename(world.lab.root.with_name("disk"))
        world.lab.root.mkdir()
        gone = world.run("--json", config=config)
        assert gone.returncode == 2
        assert "though this controller has seen one there" in said_of(row(gone, "web"))
        assert not (world.lab.root / "web").exists()
        config["Borg"]["RootDirMustBeMount"] = True
        refused = world.run("--json", config=config)
        assert refused.returncode == 2
        assert "is no mount point, and RootDirMustBeMount is set" in refused.stdout
        del config["Borg"]["RootDirMustBeMount"]
        assert world.run("accept", "web", "--yes", config=config).returncode == 0
        assert world.run(config=config).returncode == 1, "given up, it is made anew, and told"
        shutil.rmtree(world.lab.root)
        disk.rename(world.lab.root)


@pytest.mark.parametrize("part", ["config", "chunks"])
@pytest.mark.parametrize("version", ["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def test_a_cache_on_the_controller_that_is_damaged_is_made_anew(world, data, part, version):
    (cache,) = world.cache.glob("borgpull/.cache/borg/" + "?" * 64)
    (cache / part).write_bytes(b"")
    for file in data.iterdir():
        # What goes is pruned: a delete needs the cache as well.
        file.write_bytes(file.read_bytes())
    for _ in range(2):
        done = world.run("--json", config=rules(world), borg=borg_14() if version == "1.4" else "")
        assert done.returncode == 0, said_of(row(done, "web"))
    security = world.cache / "borgpull" / ".config" / "borg" / "security" / cache.name
    assert (security / "nonce").exists()
