"""Machines that come and go: absent ones are no failure for some time, and no target is tried more often than due."""

import json

import pytest

from support import loopback_world, walled_world
from support.network import needs_network_namespaces
from support.reading import entry, row, said_of


@pytest.fixture(scope="module")
def away():
    """A laptop and a server in namespaces, and a config in which the laptop may be absent."""
    needs_network_namespaces()
    with walled_world(("web", "laptop")) as world:
        config = world.lab.config()
        entry(config, "laptop")["MayBeAbsent"] = "7d"
        yield world, config


def test_a_laptop_that_is_away_is_absent_until_its_last_good_archive_is_too_old(away):
    world, config = away
    with world.network.cut("laptop"):
        never = world.run("--json", config=config)
        assert never.returncode == 2, never.stderr
        assert "it was never backed up" in said_of(row(never, "laptop"))
        assert row(never, "web")["outcome"] in ("done", "warning")
    assert world.run("-q", config=config).returncode == 0
    with world.network.cut("laptop"):
        gone = world.run("--json", config=config)
        assert gone.returncode == 0, gone.stderr
        assert row(gone, "laptop")["outcome"] == "absent"
        assert "laptop: absent: it cannot be reached over the network; its last good archive is " in gone.stderr
        assert row(gone, "web")["outcome"] == "done"
        status = json.loads(world.run("status", "--json", config=config).stdout)
        assert {each["name"]: each["state"] for each in status["targets"]} == {"web": "ok", "laptop": "ok"}
        entry(config, "laptop")["MayBeAbsent"] = "1s"
        late = world.run("--json", config=config)
        assert late.returncode == 2, late.stderr
        assert "MayBeAbsent allows 1s" in said_of(row(late, "laptop"))
        entry(config, "laptop")["MayBeAbsent"] = "7d"


def test_what_answers_is_not_absent(away):
    world, config = away
    laptop = entry(config, "laptop")["Connection"]
    right = dict(laptop)
    try:
        laptop["PrivateKey"] = entry(config, "web")["Connection"]["PrivateKey"]
        other_key = config["Borg"]["Server"]["KnownHost"].split(" ", 1)[1]
        laptop["KnownHost"] = f"{right['KnownHost'].split(' ')[0]} {other_key}"
        other = world.run("--json", config=config)
        assert other.returncode == 2, other.stderr
        assert row(other, "laptop")["outcome"] == "failed"
        laptop.update(right, Host="no-such-host.invalid")
        laptop["KnownHost"] = "no-such-host.invalid " + right["KnownHost"].split(" ", 1)[1]
        unknown = world.run("--json", config=config)
        assert row(unknown, "laptop")["outcome"] == "failed", unknown.stderr
    finally:
        laptop.update(right)


def test_a_target_is_backed_up_when_it_is_due_or_with_all():
    with loopback_world(("web", "mail")) as world:
        config = world.lab.config()
        entry(config, "web")["Every"] = "20h"
        first = world.run("--json", config=config)
        assert row(first, "web")["outcome"] in ("done", "warning"), first.stderr
        again = world.run("--json", config=config)
        assert again.returncode == 0, again.stderr
        assert (row(again, "web")["outcome"], row(again, "mail")["outcome"]) == ("not-due", "done")
        assert "web: connect: skipped, not due before 2" in again.stderr
        assert row(world.run("--json", "--all", config=config), "web")["outcome"] == "done"
        source = world.target("web").source
        source.rename(f"{source}.away")
        failed = world.run("--json", "--all", config=config)
        assert row(failed, "web")["outcome"] == "failed"
        assert row(world.run("--json", config=config), "web")["outcome"] == "not-due", "it came as far as create"
