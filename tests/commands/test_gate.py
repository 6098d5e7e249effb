"""A target with `Gate = true`: honest runs are as ever; a dishonest one is stopped and told, and closes nothing."""

import json

import pytest

from attacks.attack import plant as plant_attack
from lab import Spot
from lab.trees import differences, plant
from support import World, loopback_world
from support.reading import config_of, ends, row, said_of


@pytest.fixture(scope="module")
def world():
    """B and a target."""
    with loopback_world(["web"]) as made:
        yield made


def gated(world: World, **changes: object) -> dict:
    config = config_of(world, "web", retries=2, **changes)
    config["Borg"]["Defaults"] = {"Gate": True}
    return config


def test_an_honest_run_passes_and_a_dishonest_one_is_stopped_and_closes_nothing(world):
    target = world.target("web")
    first = row(world.run("--json", config=gated(world)), "web")
    assert first["outcome"] == "done", said_of(first)
    plant(target.source / "more", files=2, size=30_000)

    place = target.host.directory / "hostile borg"
    plant_attack(place, "delete_chunks")
    done = world.run("--json", config=gated(world, BorgPath=str(place)))
    attacked = row(done, "web")
    assert (done.returncode, attacked["outcome"]) == (3, "tampered")
    (error,) = attacked["errors"]
    assert (error["party"], error["cause"]) == ("T web", "its borg was stopped by the gate")
    assert error["rules"] == ["it asked to delete an older object (delete)"]
    assert ends(attacked) | {"create": "tampered", "verify": "done"} == ends(attacked)
    assert "prune" not in ends(attacked)
    assert json.loads(done.stdout)["outcome"] == "tampered"
    assert world.leftovers() == []

    told = world.run("status", config=gated(world))
    assert told.returncode == 1, "the repository stays open"
    assert "its last run failed: its borg was stopped by the gate" in told.stdout


@pytest.mark.slow
def test_the_run_after_it_backs_up_as_ever(world, tmp_path):
    target = world.target("web")
    after = row(world.run("--json", config=gated(world)), "web")
    assert after["outcome"] == "done", said_of(after)
    out = tmp_path / "out"
    out.mkdir()
    assert differences(target.source, world.lab.extracted(target, after["archive"]["name"], out)) == []
    assert world.leftovers() == []


@pytest.mark.slow
def test_one_target_can_do_without_the_gate_of_the_others(world):
    assert row(world.run("--json", config=gated(world)), "web")["outcome"] in {"done", "warning"}
    place = world.target("web").host.directory / "another hostile borg"
    plant_attack(place, "delete_beside_manifest")
    done = world.run("--json", config=gated(world, Gate=False, BorgPath=str(place)))
    assert row(done, "web")["errors"][0]["rules"] == [
        "1 older object was deleted or overwritten; only the list of archives may be rewritten, once"
    ]


@pytest.mark.slow
def test_the_gate_stands_in_the_road_through_a_session_too():
    with loopback_world([Spot(name="web", sshd_lines=("AllowTcpForwarding no",))]) as closed:
        assert row(closed.run("--json", config=gated(closed)), "web")["outcome"] in {"done", "warning"}
        place = closed.target("web").host.directory / "hostile borg"
        plant_attack(place, "delete_beside_manifest")
        done = closed.run("--json", config=gated(closed, BorgPath=str(place)))
        assert row(done, "web")["errors"][0]["rules"] == ["it asked to delete an older object (delete)"]
        assert closed.leftovers() == []
