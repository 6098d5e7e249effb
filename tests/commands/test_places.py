"""A repository is not made in a wrong place: what stands in the way of a new one, and the one command that ends it."""

import json
import shutil
import subprocess
from typing import Any

import jsonschema
import pytest

from support import World, borg_14, borg_of, loopback_world
from support.kept import Kept
from support.place import ROOT
from support.reading import config_of, ends, row, said_of

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


def moved_below(config: dict[str, Any], sub_dir: str) -> None:
    config["Servers"][0]["BorgTarget"] = config["Servers"][0]["BorgTarget"] | {"SubDir": sub_dir}


@pytest.mark.parametrize("before", [[], pytest.param(["true"], marks=pytest.mark.slow)])
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
    moved_below(config, "hosts/web")
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


def goes_on(world: World, config: dict[str, Any], *names: str) -> None:
    """A run with the moved repositories is like any other: nothing is held, nothing is told."""
    done = world.run("--json", config=config)
    assert done.returncode == 0, "\n".join(said_of(row(done, name)) for name in names)
    for name in names:
        assert ends(row(done, name))["create"] == "done"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_repository_that_was_moved_below_root_dir_goes_on_with_its_ledger(backed_up, version):
    world = backed_up
    borg = borg_14() if version == "1.4" else ""
    config = config_of(world, "web", BorgPath=borg_of(version))
    assert world.run("-q", config=config, borg=borg).returncode == 0
    moved_below(config, "hosts/web")
    (world.lab.root / "hosts").mkdir()
    early = world.run("accept", "--moved", "web", "--yes", config=config, borg=borg)
    assert early.returncode == 2
    assert "move the folder of the repository there first" in early.stderr
    (world.lab.root / "web").rename(world.lab.root / "hosts" / "web")
    refused = world.run("--json", config=config, borg=borg)
    assert refused.returncode == 2
    assert "`borgpull accept --moved" in said_of(row(refused, "web"))
    accepted = world.run("accept", "--moved", "web", "--yes", config=config, borg=borg)
    assert accepted.returncode == 0, accepted.stderr
    goes_on(world, config, "web")
    assert world.run("accept", "--moved", "web", "--yes", config=config, borg=borg).returncode == 0, "done twice"
    stands = world.run("status", "--json", "web", config=config)
    (told,) = json.loads(stands.stdout)["targets"]
    assert (told["state"], told["archives"]) == ("ok", 3)
    assert [event["what"] for event in told["history"]].count("run") >= 3, "its history went with it"
    assert not (world.lab.root / ".borgpull" / "web" / "ledger.json").exists()


@pytest.mark.slow
def test_all_repositories_go_on_below_a_new_root_dir_at_once(backed_up):
    world = backed_up
    new = world.lab.root.with_name("srv")
    config = config_of(world, "web", "mail")
    config["Borg"]["RootDir"] = str(new)
    old = world.lab.root.rename(new)
    refused = world.run("--json", config=config)
    assert refused.returncode == 2
    assert "`borgpull accept --moved" in said_of(row(refused, "mail"))
    accepted = world.run("accept", "--moved", "--yes", config=config)
    assert accepted.returncode == 0, accepted.stderr
    goes_on(world, config, "web", "mail")
    old.rename(world.lab.root)


@pytest.mark.slow
def test_a_ledger_that_was_left_behind_is_asked_for(backed_up):
    world = backed_up
    new = world.lab.root.with_name("srv")
    new.mkdir()
    config = config_of(world, "web", "mail")
    config["Borg"]["RootDir"] = str(new)
    for name in ("web", "mail"):
        (world.lab.root / name).rename(new / name)
    refused = world.run("accept", "--moved", "--yes", config=config)
    assert refused.returncode == 2
    assert refused.stderr.count(f"`cp -a OLD/.borgpull/. {new}/.borgpull/`") == 2, refused.stderr
    subprocess.run(["cp", "-a", f"{world.lab.root}/.borgpull/.", f"{new}/.borgpull/"], check=True)
    assert world.run("accept", "--moved", "--yes", config=config).returncode == 0
    goes_on(world, config, "web", "mail")
    shutil.rmtree(new)


def test_what_is_not_proven_to_be_the_same_repository_does_not_go_on(backed_up):
    world = backed_up
    config = config_of(world, "web", "mail")
    old, new = world.lab.root / "web", world.lab.root / "new"
    moved_below(config, "new")

    def refused(code: int, words: str) -> None:
        done = world.run("accept", "--moved", "web", "--yes", config=config)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert (world.lab.root / ".borgpull" / "web" / "ledger.json").exists()

    subprocess.run(["cp", "-a", str(old), str(new)], check=True)
    refused(2, f"its repository was copied, not moved: there still is one in {old}")
    shutil.rmtree(new)
    subprocess.run(["cp", "-a", str(world.lab.root / "mail"), str(new)], check=True)
    refused(2, "no ledger of its own below RootDir knows the repository at its place")
    shutil.rmtree(new)
    archive = world.lab.archives(world.target("web"))[0]
    world.lab.borg(world.target("web"), "delete", f"::{archive}")
    old.rename(new)
    refused(3, "older objects were deleted or overwritten")
    new.rename(old)
    # One that lies where another one's ledger is.
    shutil.rmtree(world.lab.root / "mail")
    old.rename(world.lab.root / "mail")
    done = world.run("accept", "--moved", "mail", "--yes", config=config)
    assert done.returncode == 3, done.stderr
    assert "another repository lies in its place" in done.stderr


@pytest.mark.slow
def test_a_first_repository_is_told_once_and_not_for_each_new_target(backed_up):
    world = backed_up
    shutil.rmtree(world.lab.root)
    lose_cache(world)
    world.lab.root.mkdir()
    for target in world.targets:
        shutil.rmtree(target.host.directory / ".config")
    assert world.run("-q", config=config_of(world, "web")).returncode == 1
    assert world.run("-q", config=config_of(world, "web", "mail")).returncode == 0


@pytest.mark.slow
def test_status_sends_nobody_to_a_run_where_a_disk_may_be_missing(backed_up):
    world = backed_up
    disk = world.lab.root.rename(world.lab.root.with_name("disk"))
    world.lab.root.mkdir()
    missing = world.run("status", config=config_of(world, "web", "mail"))
    assert missing.returncode == 3
    assert "mount it" in missing.stdout
    assert "borgpull run" not in missing.stdout
    world.lab.root.rmdir()
    disk.rename(world.lab.root)
    # A disk for each repository.
    (world.lab.root / "web").rename(world.lab.root / "unmounted")
    missing = world.run("status", config=config_of(world, "web"))
    assert "if its disk on the backup server is not mounted, mount it first" in missing.stdout
    assert "borgpull run" not in missing.stdout
    gone = world.run("-q", config=config_of(world, "web"))
    assert gone.returncode == 3
    assert "if its disk on the backup server is not mounted, mount it first" in gone.stderr
    (world.lab.root / "unmounted").rename(world.lab.root / "web")
    assert world.run("accept", "web", "--yes", config=config_of(world, "web")).returncode == 0
    assert world.run("-q", config=config_of(world, "web")).returncode == 0


def test_status_lists_repositories_that_belong_to_no_target(backed_up):
    world = backed_up
    config = config_of(world, "web")
    told = world.run("status", config=config)
    assert told.stdout.splitlines()[-1] == f"of no target of the config: {world.lab.root}/mail"
    assert told.returncode == 0
    report = json.loads(world.run("status", "--json", config=config).stdout)
    assert report["others"] == [f"{world.lab.root}/mail"]
    jsonschema.validate(report, json.loads((ROOT / "docs" / "status.schema.json").read_text()))
    for chosen in (["web"], ["--only", "web"], ["--shard", "0/1"]):
        assert "of no target" not in world.run("status", *chosen, config=config).stdout
    assert "of no target" not in world.run("status", config=config_of(world, "web", "mail")).stdout
