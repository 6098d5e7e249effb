"""A repository is not made in a wrong place: what stands in the way of a new one, and the one command that ends it."""

import shutil

import pytest

from support import World, borg_of, loopback_world
from support.kept import Kept
from support.reading import config_of, row, said_of

VERSIONS = ["1.2", pytest.param("1.4", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def kept():
    with loopback_world(("web", "mail")) as world:
        assert world.run("-q", config=config_of(world, "web", "mail")).returncode == 0
        yield Kept(world)


@pytest.fixture
def backed_up(kept) -> World:
    """A world in which both targets have an archive, and a ledger with their name."""
    return kept.put_back()


def lose_cache(world: World) -> None:
    """Let the controller be a new one."""
    shutil.rmtree(world.cache)
    world.cache.mkdir()


@pytest.mark.parametrize("before", [[], ["true"]])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_repository_that_only_the_target_has_seen_is_not_made_anew_until_it_is_given_up(backed_up, version, before):
    world = backed_up
    # Borg remembers a place without what is superfluous in it.
    slashed = config_of(world, "web", BorgPath=borg_of(version), Before=before)
    slashed["Borg"]["RootDir"] += "/"
    assert world.run("-q", config=slashed).returncode == 0
    lose_cache(world)
    disk = world.lab.root.rename(world.lab.root.with_name("disk"))
    world.lab.root.mkdir()
    for _ in range(2):
        refused = world.run("--json", config=slashed)
        assert refused.returncode == 2
        assert "there is no repository at its place, though its borg has seen one there" in said_of(row(refused, "web"))
        assert not (world.lab.root / "web").exists()
    accepted = world.run("accept", "web", "--yes", config=slashed)
    assert accepted.returncode == 0, accepted.stderr
    assert "the next run makes a new repository" in accepted.stderr
    made = world.run("--json", config=slashed)
    assert (made.returncode, row(made, "web")["outcome"]) == (1, "warning"), said_of(row(made, "web"))
    assert world.run("-q", config=slashed).returncode == 0
    shutil.rmtree(world.lab.root)
    disk.rename(world.lab.root)


def test_a_repository_is_not_made_where_the_target_has_a_ledger_that_no_config_names(backed_up):
    world = backed_up
    lose_cache(world)
    config = config_of(world, "web", "mail")
    config["Servers"][0]["BorgTarget"] = config["Servers"][0]["BorgTarget"] | {"SubDir": "hosts/web"}
    refused = world.run("--json", config=config)
    assert refused.returncode == 2
    said = said_of(row(refused, "web"))
    assert f"but a ledger of a target of this name lies in {world.lab.root}/.borgpull/web" in said
    assert "`borgpull accept --moved web`" in said
    assert row(refused, "mail")["outcome"] == "done"
    assert not (world.lab.root / "hosts").exists()
    assert world.run("accept", "web", "--yes", config=config).returncode == 0
    assert world.run("-q", config=config).returncode == 0, "given up, it is made anew"


def test_a_ledger_of_another_target_that_no_config_names_stops_nobody(backed_up):
    world = backed_up
    lose_cache(world)
    config = config_of(world, "web")
    config["Servers"][0] |= {"Name": "new", "BorgTarget": config["Servers"][0]["BorgTarget"] | {"SubDir": "new"}}
    made = world.run("--json", config=config)
    assert made.returncode == 0, said_of(row(made, "new"))
