"""Grace: what prune removed can be read where it lies, and put back, for as long as it is kept."""

import json
import os
import shutil
import time

import pytest

from support import World, borg_14, loopback_world
from support.following import same_as
from support.kept import Kept
from support.reading import config_of, row, said_of


def rules(world: World, *, keep: int = 1, **changes) -> dict:
    # What is odd is another story.
    config = config_of(world, "web", **({"ShrinkLimit": "off", "ChangeLimit": "off"} | changes))
    config["Borg"]["PruneSetting"] = f"--keep-last {keep}"
    return config


def night(world: World, content: bytes | None = None, **changes) -> str:
    """A run with a file of other content, which leaves enough behind to be compacted; the archive that is left."""
    world.target("web").source.joinpath("changing").write_bytes(content or os.urandom(3_000_000))
    result = world.run("-q", config=rules(world, **changes))
    assert result.returncode == 0, result.stderr
    return archives(world)[-1]


def archives(world: World, *more: str) -> list[str]:
    listed = world.run("list", "web", "--json", *more, config=rules(world))
    assert listed.returncode == 0, listed.stderr
    return [each["name"] for each in json.loads(listed.stdout)["archives"]]


def states(world: World) -> list[str]:
    listed = world.run("rollback", "web", "--list", config=rules(world))
    assert listed.returncode == 0, listed.stderr
    return [line.split("  ")[0] for line in listed.stdout.splitlines()]


def kept_of(world: World):
    return world.lab.root / ".borgpull" / "web" / "grace"


@pytest.fixture(scope="module")
def kept():
    with loopback_world(("web",)) as world:
        nights = [night(world, content) for content in (b"first" * 800_000, None, None)]
        yield Kept(world), nights


@pytest.fixture
def world(kept) -> World:
    """A target of three nights under `--keep-last 1`."""
    return kept[0].put_back()


@pytest.fixture
def nights(kept) -> list[str]:
    """The archives of those nights: the last one is there, the others were pruned."""
    return kept[1]


def test_what_was_pruned_is_read_where_it_lies(world, nights, tmp_path):
    first, second, third = nights
    assert archives(world) == [third]
    older, newer = states(world)
    assert (archives(world, "--at", older), archives(world, "--at", newer)) == ([first, second], [second, third])
    before = same_as(kept_of(world) / older)
    done = world.run("restore", "web", first, "--at", older, "--to", str(tmp_path / "back"), config=rules(world))
    assert done.returncode == 0, done.stderr
    assert next((tmp_path / "back").rglob("changing")).read_bytes() == b"first" * 800_000
    for words, code in ((("list", "--short"), 0), (("diff", f"::{first}", second), 0), (("delete", f"::{first}"), 4)):
        done = world.run("borg", "--at", older, "web", "--", *words, config=rules(world))
        assert done.returncode == code, done.stderr
    assert same_as(kept_of(world) / older) == before
    assert world.run("-q", config=rules(world)).returncode == 0


@pytest.mark.parametrize("version", ["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def test_an_older_state_is_put_back_and_the_next_run_goes_on(world, nights, version):
    newer = {"BorgPath": borg_14()} if version == "1.4" else {}
    first, second, third = nights
    done = world.run("rollback", "web", "--to", states(world)[0], "--yes", config=rules(world))
    assert done.returncode == 0, done.stderr
    assert "with 2 archives that it had then, without 1 newer one" in done.stderr
    assert archives(world) == [first, second]
    shutil.rmtree(world.lab.directory / "onlooker", ignore_errors=True)
    world.lab.borg(world.target("web"), "check", "--verify-data")
    result = world.run("--json", config=rules(world, keep=9, **newer))
    assert result.returncode == 0, said_of(row(result, "web"))
    assert archives(world)[:2] == [first, second]
    newest = states(world)[-1]
    assert archives(world, "--at", newest) == [third], "what the rollback replaced"
    assert world.run("rollback", "web", "--to", newest, "--yes", config=rules(world)).returncode == 0
    assert archives(world) == [third]


@pytest.mark.slow
def test_a_repository_that_is_gone_comes_back_from_what_is_kept(world, nights):
    shutil.rmtree(world.target("web").repository)
    assert world.run("-q", config=rules(world)).returncode == 3
    lost = world.run("rollback", "web", "--yes", config=rules(world))
    assert lost.returncode == 2
    assert "`borgpull rollback web --list`" in lost.stderr
    done = world.run("rollback", "web", "--to", states(world)[-1], "--yes", config=rules(world))
    assert done.returncode == 0, done.stderr
    assert archives(world) == nights[1:]
    assert world.run("-q", config=rules(world, keep=9)).returncode == 0


@pytest.mark.slow
def test_what_is_kept_too_long_goes_but_not_while_the_target_is_held(world, nights):
    assert len(states(world)) == 2
    world.target("web").source.joinpath("changing").unlink()
    held = world.run("-q", config=rules(world, ShrinkLimit="50%", Grace="1s"))
    assert held.returncode == 1, held.stderr
    assert len(states(world)) == 2
    done = world.run("release", "web", "--set-aside", config=rules(world))
    assert done.returncode == 0, done.stderr
    assert world.run("-q", config=rules(world, Grace="1h")).returncode == 0
    assert len(states(world)) >= 2, "what is kept does not grow old while the target is held"
    assert world.run("-q", config=rules(world, Grace="0")).returncode == 0
    assert states(world) == []


def test_what_has_to_be_gone_is_dropped_at_once(world):
    asked = world.run("rollback", "web", "--drop-grace", config=rules(world))
    assert asked.returncode == 4
    done = world.run("rollback", "web", "--drop-grace", "--yes", config=rules(world))
    assert done.returncode == 0, done.stderr
    assert "dropped 2 older states" in done.stderr
    assert states(world) == []
    assert not kept_of(world).exists()
    late = world.run("list", "web", "--at", "2020-01-01T00:00:00Z", config=rules(world))
    assert late.returncode == 4
    assert "there is none" in late.stderr


@pytest.mark.slow
def test_a_return_that_was_killed_goes_on_with_a_plain_rollback(world, nights):
    older = states(world)[0]
    with world.start("rollback", "web", "--to", older, "--yes") as running:
        running.stdin.write(world.lab.config_text(rules(world)))
        running.stdin.flush()
        running.stdin.close()
        deadline = time.monotonic() + 60
        while '"phase":"closed"' not in (kept_of(world).parent / "ledger.json").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.kill()
    stopped = world.run("-q", config=rules(world))
    assert stopped.returncode == 3
    assert f"the state of {older} is being put back" in stopped.stderr
    done = world.run("rollback", "web", "--yes", config=rules(world))
    assert done.returncode == 0, done.stderr
    assert archives(world) == nights[:2]


def test_status_tells_what_is_kept_and_what_that_takes(world):
    stands = world.run("status", "--json", config=rules(world))
    (target,) = json.loads(stands.stdout)["targets"]
    assert (target["grace"], target["grace_size"] > 2_000_000) == (2, True)
    assert "grace 2 (" in world.run("status", config=rules(world)).stdout


@pytest.mark.slow
def test_what_was_tampered_with_is_not_lost_when_an_older_state_is_put_back(world, nights):
    world.lab.borg(world.target("web"), "delete", f"::{nights[2]}")
    assert world.run("-q", config=rules(world)).returncode == 3
    before = states(world)
    done = world.run("rollback", "web", "--to", before[-1], "--yes", config=rules(world))
    assert done.returncode == 0, done.stderr
    assert archives(world) == nights[1:]
    assert (kept_of(world).parent / "tampered" / "data").is_dir()
    assert states(world) == before, "a closed state is none that anybody can go back to"
    assert world.run("-q", config=rules(world, keep=9)).returncode == 0
