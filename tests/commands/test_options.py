"""Each option of a target arrives at the borg that it is for: seen in the archive, with both versions of borg on T."""

import json
import os
from pathlib import Path

import pytest

from lab import Spot
from support import World, borg_14, loopback_world
from support.reading import bytes_below, entry, only, row, said_of, script

# As borg itself is started, it notes how nice it is.
NICE = 'nice >{log}; ionice >>{log}; exec {borg} "$@"\n'
SIZE = 3_000_000
TAG = "Signature: 8a477f597d28d172789f06886806bc55"


@pytest.fixture(scope="module", params=["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def optioned(request):
    """A target with files of every kind, and what it says with all options set."""
    borg = borg_14() if request.param == "1.4" else "/usr/bin/borg"
    with loopback_world([Spot(name="web", borg_path=borg)], planted=False) as world:
        source = world.target("web").source
        for folder, tag in (("cache", "CACHEDIR.TAG"), ("tagged", ".nobackup"), ("skipped", "file"), ("kept", "file")):
            (source / folder).mkdir()
            (source / folder / tag).write_text(TAG)
            (source / folder / "more").write_text(folder)
        (source / "zeros and ones").write_bytes(os.urandom(1000) * (SIZE // 1000))
        log = world.lab.directory / "nice"
        config = world.lab.config()
        entry(config, "web")["SourcePaths"].append("/dev")
        config["Borg"]["Defaults"] = {
            "BorgPath": script(world.lab.directory / "calm-borg", NICE.format(log=log, borg=borg)),
            "Compression": "none",
            "OneFileSystem": True,
            "ExcludeCaches": True,
            "ExcludeIfPresent": [".nobackup"],
            "PatternsFrom": str(_patterns(world)),
            "UploadRateLimit": "2M",
            "FilesCache": "mtime,size",
            "CheckpointInterval": "20m",
            "LockWait": "50s",
            "Encryption": "repokey",
            "Nice": 7,
        }
        del entry(config, "web")["BorgPath"]
        done = world.run("--json", config=config)
        assert done.returncode in (0, 1), done.stderr
        yield world, config, row(done, "web"), log.read_text().splitlines()


def _patterns(world: World) -> Path:
    place = world.lab.directory / "my patterns"
    place.write_text("- **/skipped/file\n")
    return place


def test_what_is_left_out_is_not_in_the_archive(optioned):
    world, _, told, _ = optioned
    web = world.target("web")
    listed = world.lab.borg(web, "list", "--short", f"::{told['archive']['name']}").decode().splitlines()
    source = str(web.source).lstrip("/")
    mine = {path.removeprefix(source + "/") for path in listed if path.startswith(source + "/")}
    assert {"kept/file", "kept/more", "skipped/more", "zeros and ones"} <= mine
    assert not {"cache", "tagged", "skipped/file"} & mine
    assert "dev/null" in listed
    there = [path for path in listed if path.startswith("dev/shm/") and not f"{path}/".startswith(f"{source}/")]
    assert there == [], "that is another file system"


def test_it_is_stored_as_it_was_said(optioned):
    world, _, told, nice = optioned
    web = world.target("web")
    seen = json.loads(world.lab.borg(web, "info", "--json", f"::{told['archive']['name']}"))
    assert seen["encryption"]["mode"] == "repokey"
    assert bytes_below(web.repository) > SIZE, "nothing was compressed"
    assert (nice[0], "best-effort: prio 7" in nice[1]) == ("7", True)
    (create,) = (step for step in told["steps"] if step["step"] == "create")
    assert create["duration"] > SIZE / 2_000_000 * 0.8
    # What shows in nothing but what borg writes down of its own command line.
    words = {"--files-cache=mtime,size", "--checkpoint-interval=1200", "--lock-wait=50"}
    assert words <= set(seen["archives"][0]["command_line"])


def test_patterns_that_are_not_there_are_named_before_anything_is_backed_up(optioned):
    world, config, _, _ = optioned
    archives = world.lab.archives(world.target("web"))
    gone = only(config, "web") | {"Servers": [entry(config, "web") | {"PatternsFrom": "/nowhere/patterns"}]}
    said = said_of(row(world.run("--json", config=gone), "web"))
    assert said.startswith("T web: the file of patterns is missing, or this user cannot read it: /nowhere/patterns")
    assert "hint: PatternsFrom names a file on the target" in said
    assert world.lab.archives(world.target("web")) == archives
    doctor = world.run("doctor", config=gone)
    assert doctor.returncode == 2
    assert "/nowhere/patterns" in doctor.stdout + doctor.stderr
