"""`restore`: byte for byte, on C and back onto T; nothing is overwritten unasked; T's session is judged afterwards.

The target has everything that is awkward: owners, modes, symbolic and hard links, a sparse file, xattrs, odd names.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from attacks.attack import plant as plant_attack
from lab.trees import differences
from support import World, loopback_world, python_of
from support.kept import Kept
from support.place import ROOT
from support.reading import entry, script, until

SCHEMAS = {name: json.loads((ROOT / "docs" / f"{name}.schema.json").read_text()) for name in ("list", "restore")}
REGISTRY = referencing.Registry().with_resources(
    (f"{name}.schema.json", referencing.Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)
SCHEMA = jsonschema.Draft202012Validator(SCHEMAS["restore"], registry=REGISTRY)
# Borg makes holes of whole chunks, which are 8 MiB where all is zero.
HOLE = 30_000_000


def plant_more(folder: Path) -> None:
    """What `trees.plant` leaves out: hard links, owners, xattrs, times, a name of odd bytes, a fifo."""
    more = folder / "more"
    more.mkdir()
    (more / "one").write_text("the same file")
    (more / "two").hardlink_to(more / "one")
    (more / os.fsdecode(b"\xff\xfe")).write_text("no UTF-8")
    (more / os.fsdecode(b"link \xe9")).symlink_to(os.fsdecode(b"to \xe9"))
    os.mkfifo(more / "fifo")
    (more / "setuid").write_text("")
    (more / "setuid").chmod(0o4755)
    with (more / "hole").open("wb") as file:
        file.truncate(HOLE)
        file.seek(HOLE)
        file.write(b"end")
    os.setxattr(more / "one", "user.borgpull", b"kept\0too")
    if os.geteuid() == 0:
        os.chown(more / "setuid", 12345, 54321)
        (more / "setuid").chmod(0o4755)
        os.chown(more / "fifo", 1, 1)
    os.utime(more, (1_000_000_000, 1_000_000_000))


def attributes(folder: Path) -> dict[str, object]:
    """Return what `trees.differences` does not compare: owners, times, xattrs, and who is linked with whom."""
    found: dict[str, object] = {}
    for place in (folder, *folder.rglob("*")):
        seen = place.lstat()
        twins = {other.name for other in place.parent.iterdir() if other.lstat().st_ino == seen.st_ino}
        xattrs = {name: os.getxattr(place, name, follow_symlinks=False) for name in _xattrs(place)}
        when = None if place.is_symlink() else seen.st_mtime_ns // 1000
        found[str(place.relative_to(folder))] = (seen.st_uid, seen.st_gid, when, sorted(twins), xattrs)
    return found


def _xattrs(place: Path) -> list[str]:
    return [name for name in os.listxattr(place, follow_symlinks=False) if name.startswith("user.")]


def same(one: Path, other: Path) -> None:
    assert differences(one, other) == []
    assert attributes(one) == attributes(other)
    assert (other / "more" / "hole").stat().st_blocks * 512 < HOLE / 2


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    with loopback_world(["web"]) as world:
        plant_more(world.target("web").source)
        done = world.run("-q")
        assert done.returncode == 0, done.stderr
        yield Kept(world)


@pytest.fixture
def fresh(kept) -> World:
    """A target with one archive, and nothing else has happened."""
    return kept.put_back()


@pytest.fixture
def backed_up(fresh) -> tuple[World, Path]:
    """A target with one archive, and what is in it."""
    return fresh, fresh.target("web").source


def test_an_archive_is_restored_here_byte_for_byte_and_says_so_itself(backed_up, tmp_path):
    world, source = backed_up
    done = world.run("restore", "web", "--to", str(tmp_path / "new" / "folder"), "--verify", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    SCHEMA.validate(report)
    assert report["compared"]["same"] == report["items"] == len([source, *source.rglob("*")])
    assert (report["on"], report["notes"], report["warned"]) == ("C", [], 0)
    same(source, tmp_path / "new" / "folder" / source.relative_to("/"))
    assert world.leftovers() == []


def test_what_a_target_lost_is_put_back_where_it_was_and_what_is_there_is_not_overwritten(fresh):
    source = fresh.target("web").source
    kept = fresh.lab.extracted(fresh.target("web"), fresh.lab.archives(fresh.target("web"))[0], _new(fresh, "kept"))
    (source / "kinds" / "empty file").write_text("written since")
    refused = fresh.run("restore", "web", "--onto-target")
    assert refused.returncode == 4
    assert "there already: " in refused.stderr
    assert (source / "kinds" / "empty file").read_text() == "written since"
    shutil.rmtree(source)
    done = fresh.run("restore", "web", "--onto-target", "--verify", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    SCHEMA.validate(report)
    assert report["on"] == "T web"
    assert report["compared"]["different"] == 0
    assert report["compared"]["same"] > 50
    same(kept, source)
    assert fresh.leftovers() == []
    later = fresh.run("-q")
    assert later.returncode == 0, later.stderr


def _new(world: World, name: str) -> Path:
    folder = world.lab.directory / name
    folder.mkdir()
    return folder


@pytest.mark.parametrize("version", ["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def test_a_target_that_deletes_archives_while_it_restores_is_found_out(fresh, tmp_path, version):
    config = with_evil_borg(fresh, "delete_archive", version)
    folder = fresh.target("web").host.directory / f"back {version}"
    done = fresh.run("restore", "web", "--onto-target", "--to", str(folder), config=config)
    assert done.returncode == 3, done.stderr
    assert "archive vanished" in done.stderr
    assert "`borgpull rollback web`" in done.stderr
    assert fresh.run("rollback", "web", "--yes").returncode == 0
    assert len(fresh.lab.archives(fresh.target("web"))) == 1
    again = fresh.run("restore", "web", "--to", str(tmp_path / "out"), "--verify")
    assert again.returncode == 0, again.stderr


def with_evil_borg(world: World, move: str, version: str = "1.2") -> dict[str, Any]:
    """Return a config in which T's borg is a malicious one."""
    evil = world.target("web").host.directory / "evil borg"
    plant_attack(evil, move, python=python_of(version))
    config = world.lab.config()
    entry(config, "web")["BorgPath"] = str(evil)
    return config


@pytest.mark.slow
def test_a_closed_repository_is_read_here_with_a_warning_and_never_onto_the_target(fresh, tmp_path):
    config = with_evil_borg(fresh, "overwrite_one_chunk")
    assert fresh.run("-q", config=config).returncode == 3
    here = fresh.run("restore", "web", "--to", str(tmp_path / "out"))
    assert here.returncode in (0, 2)
    assert "tampered" in here.stderr
    assert "found: " in here.stderr
    assert "hint: `borgpull rollback web` puts the last verified state back" in " ".join(here.stderr.split())
    there = fresh.run("restore", "web", "--onto-target", "--to", str(tmp_path / "there"))
    assert there.returncode == 2
    assert "nothing is restored onto a target from a closed repository" in there.stderr
    assert not (tmp_path / "there").exists()


@pytest.mark.slow
def test_a_restore_that_is_killed_in_the_middle_is_judged_by_the_next_run(fresh, tmp_path):
    target = fresh.target("web")
    held = script(target.host.directory / "held borg", f"touch {tmp_path}/there; exec sleep 600 3>&-\n")
    config = fresh.lab.config()
    entry(config, "web")["BorgPath"] = str(held)
    process = fresh.start("restore", "web", "--onto-target", "--to", str(target.host.directory / "back, held"))
    with process:
        process.stdin.write(fresh.lab.config_text(config))
        process.stdin.close()
        until((tmp_path / "there").exists, process=process)
        process.kill()
    assert "interrupted" in fresh.run("status", "web").stdout
    # An archive that nobody asked for is one too many: T was to read.
    fresh.lab.borg(target, "create", "::.checkpoint", str(target.source / "more"))
    done = fresh.run("-q")
    assert done.returncode == 3, done.stderr
    assert "1 archive came that the controller did not ask for: .checkpoint" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("onto_target", [False, True])
def test_a_dry_run_changes_nothing_and_says_what_is_in_the_way(backed_up, tmp_path, onto_target):
    world, _ = backed_up
    before = sorted(path.stat().st_mtime_ns for path in world.lab.root.rglob("*") if path.is_file())
    way = ("--onto-target",) if onto_target else ()
    done = world.run("restore", "web", "--dry-run", "--to", str(tmp_path / "out"), *way)
    assert done.returncode == 0, done.stderr
    assert "would restore" in done.stderr
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    refused = world.run("restore", "web", "--dry-run", "--to", str(tmp_path / "full"), *way)
    assert refused.returncode == 4
    assert "is not empty" in refused.stderr
    assert sorted(path.stat().st_mtime_ns for path in world.lab.root.rglob("*") if path.is_file()) == before


@pytest.mark.slow
def test_files_are_replaced_only_when_it_is_said_and_others_stay(backed_up, tmp_path):
    world, source = backed_up
    wanted = str(source / "more" / "one")
    place = tmp_path / wanted.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    (place.parent / "other").write_text("mine too")
    refused = world.run("restore", "web", "latest", wanted, "--to", str(tmp_path))
    assert refused.returncode == 4
    assert place.read_text() == "mine"
    done = world.run("restore", "web", "latest", wanted, "--to", str(tmp_path), "--overwrite")
    assert done.returncode == 0, done.stderr
    assert place.read_text() == "the same file"
    assert (place.parent / "other").read_text() == "mine too"


@pytest.mark.slow
def test_nothing_is_written_through_a_link_that_lies_in_the_folder(backed_up, tmp_path):
    world, source = backed_up
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "one").write_text("mine")
    above = tmp_path / "to" / str(source).lstrip("/")
    above.mkdir(parents=True)
    (above / "more").symlink_to(elsewhere)
    done = world.run(
        "restore", "web", "latest", str(source / "more" / "one"), "--to", str(tmp_path / "to"), "--overwrite"
    )
    assert done.returncode == 4
    assert "is a symbolic link" in done.stderr
    assert (elsewhere / "one").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "{tmp}/out", "web", "nope"], "has no archive 'nope'"),
        (["--to", "{tmp}/out", "web", "latest", "/nowhere"], "nothing that matches /nowhere"),
        (["web"], "add `--to DIR`"),
        (["web", "--onto-target", "--to", "back"], "an absolute path"),
        (["--to", "{tmp}/file", "web"], "is no folder"),
    ],
)
def test_who_asks_for_what_cannot_be_done_is_told_and_nothing_is_written(backed_up, tmp_path, arguments, words):
    world, _ = backed_up
    (tmp_path / "file").write_text("")
    done = world.run("restore", *(word.format(tmp=tmp_path) for word in arguments))
    assert (done.returncode, done.stdout) == (4, "")
    assert words in done.stderr
    assert [place.name for place in tmp_path.iterdir()] == ["file"]
