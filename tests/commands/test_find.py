"""`find`: which archives of which targets hold a path."""

import json

import jsonschema
import pytest

from borgpull.restore import pattern_of
from support import loopback_world
from support.place import ROOT

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "find.schema.json").read_text()))


@pytest.fixture(scope="module")
def backed_up():
    """Two targets with two archives each: `gone` is in the older ones of web alone, `now` in the newer ones of both."""
    with loopback_world(("web", "mail")) as world:
        for name in ("web", "mail"):
            folder = world.target(name).source / "a folder"
            folder.mkdir()
            (folder / "kept [1].conf").write_text("same")
        gone = world.target("web").source / "gone.txt"
        gone.write_text("it was here")
        assert world.run("-q").returncode in (0, 1)
        gone.unlink()
        for name in ("web", "mail"):
            (world.target(name).source / "now\x1b[2J.txt").write_text("it came")
        assert world.run("-q").returncode == 0
        yield world


def found(done):
    answer = json.loads(done.stdout)
    SCHEMA.validate(answer)
    return answer, [(each["target"], each["file"]["path"].rpartition("/")[2]) for each in answer["found"]]


@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        ("/etc/nginx", "pf:etc/nginx"),
        ("etc/nginx/", "pf:etc/nginx"),
        ("nginx.conf", "sh:**/nginx.conf"),
        ("*.conf", "sh:**/*.conf"),
        ("/etc/*.conf", "sh:etc/*.conf"),
        ("re:conf$", "re:conf$"),
        ("pf:/etc/a [1]", "pf:/etc/a [1]"),
    ],
)
def test_a_word_becomes_a_pattern_of_borg(word, pattern):
    assert pattern_of(word) == pattern


def test_a_name_a_path_and_a_glob_are_found_in_the_archives_that_hold_them(backed_up):
    answer, files = found(backed_up.run("find", "gone.txt", "--json"))
    assert files == [("web", "gone.txt")]
    assert (answer["read"], answer["complete"], answer["problems"]) == (4, True, [])
    older, newer = backed_up.lab.archives(backed_up.target("web"))
    assert answer["found"][0]["archive"]["name"] == older
    path = str(backed_up.target("web").source / "a folder")
    answer, files = found(backed_up.run("find", path, "web", "--json"))
    assert [each["archive"]["name"] for each in answer["found"]] == [newer, older], "the newest archive first"
    assert files == [("web", "a folder")] * 2, "a folder is itself alone"
    _, files = found(backed_up.run("find", "*.txt", "--last", "1", "--json"))
    assert sorted(target for target, _ in files) == ["mail", "web"]


def test_for_people_it_is_a_line_each_without_what_could_move_a_cursor(backed_up):
    done = backed_up.run("find", "now*")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == ["mail", "web"]
    assert "2 files found in 4 archives" in done.stderr


def test_what_is_not_there_is_said_and_what_cannot_be_read_hides_nothing(backed_up):
    done = backed_up.run("find", "nobody-has-this")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not found in 4 archives" in done.stderr
    repository = backed_up.target("mail").repository
    repository.rename(f"{repository}.away")
    try:
        done = backed_up.run("find", "gone.txt", "--json")
        assert done.returncode == 2
        answer, files = found(done)
        assert files == [("web", "gone.txt")]
        assert not answer["complete"]
        assert [each["party"] for each in answer["problems"]] == ["T mail"]
    finally:
        repository.with_name(f"{repository.name}.away").rename(repository)
    assert backed_up.run("find", "x", "--last", "0").returncode == 4
    assert backed_up.run("find", "x", "nobody").returncode == 4
