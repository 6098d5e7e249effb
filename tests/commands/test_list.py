"""`list`: the archives of a target and what is in one, for people and for programs; and what is said of wrong names."""

import json
import os
from collections.abc import Iterator

import jsonschema
import pytest

from support import World, loopback_world
from support.place import ROOT

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "list.schema.json").read_text()))
EVIL = "\x1b[2Jevil\n[bold]"


@pytest.fixture(scope="module")
def backed_up() -> Iterator[World]:
    """A target with one archive, and files with hostile names in it; and a checkpoint that nobody verified."""
    with loopback_world(["web"]) as world:
        source = world.target("web").source
        (source / EVIL).write_text("1")
        (source / "twin").hardlink_to(source / EVIL)
        done = world.run("-q")
        assert done.returncode == 0, done.stderr
        later = ("--timestamp", "2099-01-01T00:00:00", "::later.checkpoint")
        world.lab.borg(world.target("web"), "create", *later, str(source / EVIL))
        yield world


def test_the_archives_of_a_target_are_listed(backed_up):
    done = backed_up.run("list", "web", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    SCHEMA.validate(listed)
    first, second = listed["archives"]
    assert [first["name"], second["name"]] == [*backed_up.lab.archives(backed_up.target("web")), "later.checkpoint"]
    assert (first["verified"], first["unfinished"]) == (True, False)
    assert (second["verified"], second["unfinished"]) == (False, True)


def test_the_files_of_the_latest_archive_are_listed_and_a_checkpoint_is_not_the_latest(backed_up):
    source = backed_up.target("web").source
    done = backed_up.run("list", "web", "latest", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    SCHEMA.validate(listed)
    assert listed["archive"]["name"] == backed_up.lab.archives(backed_up.target("web"))[0]
    there = {os.fsencode(place).decode("utf-8", "replace") for place in (source, *source.rglob("*"))}
    assert {"/" + each["path"].replace("?", "\ufffd") for each in listed["files"]} == {
        place.replace("?", "\ufffd") for place in there
    }


def test_names_from_an_archive_cannot_move_a_cursor_and_patterns_are_those_of_borg(backed_up):
    done = backed_up.run("list", "web", "latest", "sh:**/*evil*", "re:twin$")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    first, second = done.stdout.splitlines()
    assert "evil [bold]" in first + second
    assert "/twin" in first + second
    assert sorted(line[0] for line in (first, second)) == ["-", "h"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], ("there is no target 'nobody'", "there are: web")),
        (["web", "snapshot-1999"], ("has no archive 'snapshot-1999'", "`borgpull list web` lists them")),
        (["web", "latest", "/nowhere/kinds"], ("nothing that matches /nowhere/kinds", "lists all that it has")),
    ],
)
def test_who_names_what_is_not_there_is_told_what_there_is(backed_up, arguments, words):
    done = backed_up.run("list", *arguments)
    assert (done.returncode, done.stdout) == (4, "")
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.slow
def test_an_archive_is_found_by_its_id(backed_up):
    (first, _) = json.loads(backed_up.run("list", "web", "--json").stdout)["archives"]
    done = backed_up.run("list", "web", first["id"])
    assert done.returncode == 0, done.stderr
    assert "kinds/empty folder" in done.stdout
