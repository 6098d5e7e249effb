"""A full disk on the backup server: sessions leave room to prune, what may go goes, and the next run works."""

import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from support import World, borg_14, loopback_world
from support.disks import ext4, fill, free, in_memory, resize
from support.following import Run
from support.reading import bytes_below, config_of, ends, row, said_of, script

# What stays free beside a small repository.
KEPT = 613_000_000
# Less than that, and borg prunes and compacts still.
BORG_PRUNES = 570_000_000
MIB = 1024 * 1024
HANGING = """\
exec /usr/bin/python3 -c 'import os, signal, time
os.read(4, 100)
signal.signal(signal.SIGINT, lambda *_: os._exit(1))
time.sleep(1000)'
"""


@pytest.fixture
def world():
    with loopback_world(("web", "mail"), planted=False) as made:
        for target in made.targets:
            (target.source / "file").write_bytes(os.urandom(1_000_000))
        yield made


def put(world: World, name: str, size: int, *, file: str = "more") -> Path:
    place = world.target(name).source / file
    place.write_bytes(os.urandom(size))
    return place


def room(above: int) -> str:
    """The size of a disk with so much above what stays free."""
    return str(KEPT + 17 * MIB + above)


def of(world: World, *names: str, keep: str = "--keep-last 2", **changes) -> dict:
    config = config_of(world, *(names or ("web",)), **changes)
    config["Borg"]["PruneSetting"] = keep
    return config


def night(world: World, config: dict, name: str = "web") -> dict:
    """A run; what its report says of a target, with its exit code."""
    result = world.run("--json", config=config)
    found = row(result, name)
    return found | {"code": result.returncode, "ends": ends(found), "said": said_of(found)}


def whole(world: World, name: str = "web") -> None:
    world.lab.borg(world.target(name), "check", "--verify-data")


@pytest.mark.slow
def test_a_disk_that_backups_fill_heals_itself(world):
    with in_memory(world.lab.root, room(100_000_000)):
        for number in range(2):
            put(world, "web", 25_000_000, file=f"old{number}")
            assert night(world, of(world, keep="--keep-last 1"))["code"] in (0, 1)
            (world.target("web").source / f"old{number}").unlink()
        grace = world.lab.root / ".borgpull" / "web" / "grace"
        assert grace.exists()
        big = put(world, "web", 90_000_000)
        full = night(world, of(world, keep="--keep-last 1"))
        assert full["code"] == 2
        assert full["said"].startswith("B: the session used up what is free above MinFree ("), full["said"]
        assert re.search(r"; prune and compact freed \d+\.\d MB meanwhile", full["said"])
        assert full["said"].count("free space below RootDir on the backup server, keep less") == 1
        assert full["verdict"] == "clean"
        assert [full["ends"][step] for step in ("create", "verify", "prune", "compact")] == ["failed", *["done"] * 3]
        assert not grace.exists()
        assert "what Grace kept was dropped, for its room is needed (states: 1)" in full["said"]
        assert len(world.lab.archives(world.target("web"))) == 1, "the rules hold, and the newest good one stays"
        assert free(world.lab.root) > KEPT + 60_000_000, "what was not committed is gone, and so is what was pruned"
        big.unlink()
        put(world, "web", 40_000_000)
        assert night(world, of(world, keep="--keep-last 1"))["code"] == 0
        assert world.leftovers() == []
        whole(world)


def test_no_session_is_opened_without_room_and_a_larger_disk_helps(world):
    with in_memory(world.lab.root, room(100_000_000)):
        assert night(world, of(world))["code"] == 1
        filler = fill(world.lab.root, leave=300_000_000)
        found = night(world, of(world))
        assert found["code"] == 2
        assert re.match(r"B: its disk has no room for a session: (299|300) MB free less 61[23] MB", found["said"])
        assert list(found["ends"]) == ["connect", "inspect", "create", "verify", "check", "prune", "compact"]
        told = json.loads(world.run("status", "--json", config=of(world)).stdout)["targets"][0]
        assert (told["state"], told["ledger"]) == ("failing", "clean")
        assert abs(told["free"] - free(world.lab.root)) < MIB
        doctor = world.run("doctor", config=of(world))
        assert "its disk has no room for a session: " in doctor.stdout + doctor.stderr
        filler.unlink()
        assert night(world, of(world))["code"] == 0


@pytest.mark.slow
def test_min_free_is_left_alone(world):
    with in_memory(world.lab.root, room(500_000_000)):
        config = of(world)
        config["Borg"]["MinFree"] = "1.1G"
        assert night(world, config)["code"] == 1
        put(world, "web", 60_000_000)
        found = night(world, config)
        assert found["code"] == 2
        assert "used up what is free above MinFree" in found["said"]
        assert free(world.lab.root) > 1_090_000_000
        del config["Borg"]["MinFree"]
        assert night(world, config)["code"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def test_a_session_that_used_its_share_is_tried_again_when_the_others_have_ended(world, version, tmp_path):
    with in_memory(world.lab.root, room(80_000_000)):
        assert world.run(config=of(world, "web", "mail")).returncode == 1
        put(world, "web", 60_000_000)
        config = of(world, "web", "mail", **({"BorgPath": borg_14()} if version == "1.4" else {}))
        here = tmp_path / "both at work"
        # mail waits until web is past its inspection, and is at work when web asks for its share.
        config["Servers"][0]["Before"] = [f"touch '{here}'"]
        config["Servers"][1]["Before"] = [f"until [ -e '{here}' ]; do sleep 0.1; done"]
        run = Run(world, config, tmp_path)
        done = run.end()
        assert done.returncode == 0, done.stderr
        (again,) = [event for event in run.events() if event["event"] == "retried"]
        assert (again["target"], again["party"], again["attempt"], again["attempts"]) == ("web", "B", 2, 2)
        assert again["cause"].startswith("the session used up its share of the free space (")
        assert "attempt 2 of 2 at the end of the run" in done.stderr
        assert [e["target"] for e in run.events() if e["event"] == "target_finished"] == ["mail", "web"]
        assert len(world.lab.archives(world.target("web"))) == 2
        whole(world)


def test_a_quota_of_the_repository_itself_is_not_lifted(world):
    target = world.target("web")
    world.lab.borg(target, "init", "-e", "repokey-blake2", "--storage-quota", "12M")
    put(world, "web", 20_000_000)
    found = night(world, of(world, Quota="2G"))
    assert found["code"] == 2
    assert found["said"].startswith("B: the storage quota of this repository is reached"), found["said"]
    assert "raise its Quota, or keep less (PruneSetting)" in found["said"]
    assert (found["ends"]["prune"], found["ends"]["compact"]) == ("done", "done")
    assert bytes_below(target.repository / "data") < 1_000_000, "what was not committed is gone"


@pytest.mark.slow
def test_a_snapshot_has_no_link_to_what_was_not_committed(world, tmp_path):
    assert night(world, of(world))["code"] in (0, 1)
    left = world.target("web").repository / "data" / "0" / "999"
    left.write_bytes(b"BORG_SEG" + os.urandom(1000))
    config = of(world, BorgPath=script(tmp_path / "hanging", HANGING))
    run = Run(world, config, tmp_path)
    run.until(lambda: run.has("step_started", step="create"))
    snapshot = world.lab.root / ".borgpull" / "web" / "snapshot" / "data"
    kept = {place.name for place in snapshot.rglob("*") if place.is_file()}
    assert kept == {place.name for place in left.parent.iterdir()} - {"999"}
    assert left.stat().st_nlink == 1
    run.process.terminate()
    assert run.end().returncode == 143
    assert night(world, of(world))["code"] == 0


@pytest.mark.slow
def test_a_checkpoint_stays_for_the_next_run_until_there_is_no_room_even_so(world):
    def unfinished() -> list[str]:
        listed = world.lab.borg(world.target("web"), "list", "--short", "--consider-checkpoints").decode()
        return [name for name in listed.split() if name.endswith(".checkpoint")]

    slowly = {"CheckpointInterval": "1s", "UploadRateLimit": "15M"}
    with in_memory(world.lab.root, room(80_000_000)):
        assert night(world, of(world))["code"] == 1
        for number in range(30):
            put(world, "web", 4_000_000, file=f"more{number}")
        assert night(world, of(world, **slowly))["code"] == 2
        assert len(unfinished()) == 1
        resize(world.lab.root, room(100_000_000))
        again = night(world, of(world, **slowly))
        assert again["code"] == 2
        assert len(unfinished()) == 1
        fill(world.lab.root, leave=BORG_PRUNES)
        assert night(world, of(world))["code"] == 2
        assert unfinished() == [], "what is free was less than has to be, even after prune and compaction"
        (world.lab.root / "filler").unlink()
        resize(world.lab.root, room(200_000_000))
        assert night(world, of(world))["code"] == 0
        whole(world)


@pytest.mark.slow
def test_a_hold_wins_over_a_full_disk(world):
    data = world.target("web").source.parent / "data"
    data.mkdir()
    paths = {"SourcePaths": [str(world.target("web").source), str(data)]}
    (data / "file").write_bytes(b"x" * 1000)
    with in_memory(world.lab.root, room(100_000_000)):
        for _ in range(3):
            assert night(world, of(world, keep="--keep-last 3", **paths))["code"] in (0, 1)
        good = world.lab.archives(world.target("web"))
        hidden = [place.rename(place.parent.with_name(place.parent.name + ".hidden")) for place in (data / "file",)]
        away = (world.target("web").source / "file").rename(world.target("web").source.parent / "away")
        assert night(world, of(world, keep="--keep-last 3", **paths))["code"] == 2, "no file at all: set aside"
        away.rename(world.target("web").source / "file")
        assert night(world, of(world, keep="--keep-last 3", **paths))["outcome"] == "held"
        aside = world.lab.archives(world.target("web"))[3]
        grace = world.lab.root / ".borgpull" / "web" / "grace" / "2026-01-01T00:00:00Z"
        grace.mkdir(parents=True)
        fill(world.lab.root, leave=BORG_PRUNES)
        found = night(world, of(world, keep="--keep-last 1", **paths))
        assert grace.exists()
        assert found["code"] == 2
        assert found["said"].startswith("B: its disk has no room for a session")
        left = world.lab.archives(world.target("web"))
        assert left[:3] == good, "no rule removes a good one while the target is held"
        assert aside not in left
        assert len(left) == 4
        (world.lab.root / "filler").unlink()
        hidden[0].rename(data / "file")
        assert night(world, of(world, keep="--keep-last 3", **paths))["code"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_borgpull_gets_in_at_the_very_last_byte(world, version):
    names = ("web", "mail")
    borg = {"BorgPath": borg_14()} if version == "1.4" else {}
    dice = random.Random(version)
    with ext4(world.lab.root, "1500M"):
        assert world.run(config=of(world, *names, **borg)).returncode == 1
        reserve = world.lab.root / ".borgpull" / ".borgpull" / "reserve"
        for number in range(6):
            for name in names:
                put(world, name, 1_000_000, file=f"more{number % 3}")
            assert reserve.exists()
            filler = fill(world.lab.root, leave=dice.choice([0, 0, 4096, 8192, 40960]))
            for _ in range(2):
                result = world.run("--json", config=of(world, *names, **borg))
                assert result.returncode == 2
                for name in names:
                    found = row(result, name)
                    assert "its disk has no room for a session" in said_of(found), said_of(found)
                    assert found["verdict"] == "clean"
            assert not reserve.exists()
            filler.unlink()
            done = world.run("--json", config=of(world, *names, **borg))
            assert done.returncode == 0, done.stdout
        assert world.leftovers() == []
        for name in names:
            whole(world, name)


@pytest.mark.slow
def test_without_a_reserve_nothing_stays_locked_when_there_is_room_again(world):
    with ext4(world.lab.root, "1500M"):
        assert world.run(config=of(world, "web", "mail")).returncode == 1
        for leave in (0, 4096, 8192, 12288, 20480, 40960):
            (world.lab.root / ".borgpull" / ".borgpull" / "reserve").unlink()
            filler = fill(world.lab.root, leave=leave)
            full = world.run("--json", config=of(world, "web", "mail"))
            assert full.returncode == 2
            assert [row(full, name)["outcome"] for name in ("web", "mail")] == ["failed", "failed"]
            filler.unlink()
            done = world.run("--json", config=of(world, "web", "mail"))
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_the_reserve_is_made_once_there_is_room_and_goes_where_there_is_none(tmp_path, shell):
    from borgpull.ledger import scripts_lock as scripts

    reserve = tmp_path / "reserve"
    make = f'{scripts.RESERVES}make_reserve "$1"'
    with in_memory(tmp_path, "90M"):
        for size, there in (("60M", False), ("90M", True)):
            resize(tmp_path, size)
            subprocess.run([*shell.split(), "-c", make, "sh", str(reserve)], check=True)
            assert reserve.exists() == there
        assert reserve.stat().st_size == scripts.RESERVE
        assert [place.name for place in tmp_path.iterdir()] == ["reserve"]
