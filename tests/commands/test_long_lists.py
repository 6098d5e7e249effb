"""More excludes and source paths than a command line holds, and ssh servers that take short ones only."""

import json
import os
import re
from collections.abc import Iterator

import pytest

from lab import Spot
from support import World, loopback_world
from support.dropbear import dropbear_spot, needs_dropbear
from support.reading import config_of, report, row, said_of

TARGET, SERVER, BOTH = "target", "backup server", "both"
# Dropbear refuses a command of more than 9,000 bytes.
EXCLUDES = 60


def told_of(done) -> str:
    return said_of(report(done)) + said_of(row(done, "web"))


def stored(world: World, done) -> set[str]:
    """Return the paths in the archive of a run, from the target's source on."""
    web = world.target("web")
    listed = world.lab.borg(web, "list", "--format={path}{NL}", f"::{row(done, 'web')['archive']['name']}")
    within = str(web.source).lstrip("/")
    return {os.path.relpath(line, within) for line in listed.decode().splitlines()}


def doubts(world: World, config: dict) -> list[dict]:
    """Return what doctor finds fault with."""
    looked = world.run("doctor", "--json", config=config)
    return [each for each in json.loads(looked.stdout)["findings"] if each["mark"] == "failed"]


@pytest.fixture(
    params=[BOTH, pytest.param(TARGET, marks=pytest.mark.slow), pytest.param(SERVER, marks=pytest.mark.slow)]
)
def dropbear(request) -> Iterator[World]:
    needs_dropbear()
    target = dropbear_spot("web") if request.param != SERVER else Spot(name="web")
    server = dropbear_spot("B") if request.param != TARGET else Spot(name="B")
    with loopback_world([target], server=server, planted=False) as world:
        yield world


def test_sixty_long_excludes_through_dropbear(dropbear):
    world = dropbear
    web = world.target("web")
    for number in range(EXCLUDES):
        (web.source / f"{number:03}{'x' * 190}").write_text("left out")
        (web.source / f"{number:03}").write_text("kept")
    long = [f"*/{number:03}{'x' * 190}" for number in range(EXCLUDES)]
    config = config_of(
        world, "web", Excludes=long, Before=["echo before"], Streams=[{"Name": "s", "Command": "echo s"}]
    )
    assert doubts(world, config) == []
    done = world.run("--json", config=config)
    assert done.returncode == 0, told_of(done)
    assert stored(world, done) == {".", *(f"{number:03}" for number in range(EXCLUDES))}
    assert row(done, "web")["commands"][0]["output"] == ["before"]
    back = web.host.directory / "back"
    restored = world.run("restore", "web", "latest", "--onto-target", "--to", str(back), config=config)
    assert restored.returncode == 0, restored.stderr
    assert len(list((back / web.source.relative_to("/")).iterdir())) == EXCLUDES
    assert [place for host in (web.host, world.lab.server) for place in host.temporary.iterdir()] == []


@pytest.fixture
def openssh() -> Iterator[World]:
    with loopback_world(["web"], planted=False) as world:
        yield world


def test_two_thousand_excludes_of_eighty_letters(openssh):
    world = openssh
    web = world.target("web")
    for name in ("in", "out"):
        (web.source / name).touch()
    excludes = [f"*/{number:04}{'x' * 74}" for number in range(2000)]
    assert sum(map(len, excludes)) > 128 * 1024
    config = config_of(world, "web", Excludes=[*excludes, "*/out"])
    done = world.run("--json", config=config)
    assert done.returncode == 0, told_of(done)
    assert stored(world, done) == {".", "in"}


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["forward", "stdio"])
def test_two_thousand_source_paths_of_eighty_letters_and_more_excludes(openssh, transport):
    world = openssh
    web = world.target("web")
    names = [f"{number:04}" + "x" * (76 - len(str(web.source))) for number in range(2000)]
    for name in names:
        (web.source / name).mkdir()
        (web.source / name / "out").touch()
        (web.source / name / "in").touch()
    sources = [str(web.source / name) for name in names]
    assert sum(map(len, sources)) > 128 * 1024
    excludes = ["*/out", *(f"{number:03}{'x' * 997}" for number in range(140))]
    assert sum(map(len, excludes)) > 128 * 1024
    config = config_of(world, "web", SourcePaths=sources, Excludes=excludes, Transport=transport)
    assert doubts(world, config) == []
    done = world.run("--json", config=config)
    assert done.returncode == 0, told_of(done)
    assert stored(world, done) == {*names, *(f"{name}/in" for name in names)}


# Linux gives arguments and environment a fourth of the stack, and at most 6 MiB.
LIMITS = [pytest.param("", 7_000, id="usual", marks=pytest.mark.slow), pytest.param("1048576", 300, id="small stack")]


@pytest.mark.parametrize(("stack", "excludes"), LIMITS)
def test_lists_above_the_limit_of_a_host_are_one_error_that_says_the_limit(stack, excludes):
    prefix = ("prlimit", f"--stack={stack}:{stack}") if stack else ()
    with loopback_world([Spot(name="web", prefix=prefix)], planted=False) as world:
        config = config_of(world, "web", Excludes=[f"{number:05}{'x' * 995}" for number in range(excludes)])
        done = world.run("--json", config=config)
        assert done.returncode == 2, done.stderr
        (error,) = row(done, "web")["errors"]
        (finding,) = doubts(world, config)
    assert (error["party"], finding["party"]) == ("T web", "T web")
    for said in (error["cause"] + error["hint"], finding["detail"] + finding["hint"]):
        assert "SourcePaths" in said
        assert "Excludes" in said
        assert re.search("[0-9] ?[kKM]i?B", said)
        assert "xxxx" not in said
