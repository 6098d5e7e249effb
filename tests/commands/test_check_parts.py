"""A check that does not fit into a run goes on in the next one, by what our ledger says and not the repository."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from support import World, borg_14, loopback_world, python_of
from support.kept import Kept
from support.reading import config_of, row, said_of, script

# A borg on the backup server by whose clock the check of each segment takes a second.
SLOW = """exec {python} -c '
import functools, time, types
from borg import repository
read, check = repository.LoggedIO.iter_objects, repository.Repository.check
seconds = [0]
def slow(*arguments, **options):
    seconds[0] += 1
    return read(*arguments, **options)
# Serve looks at which arguments it takes.
@functools.wraps(check)
def slowly(*arguments, **options):
    repository.LoggedIO.iter_objects = slow
    repository.time = types.SimpleNamespace(monotonic=lambda: seconds[0])
    return check(*arguments, **options)
repository.Repository.check = slowly
from borg.archiver import main
main()
' "$@"
"""
STOPPED = SLOW.replace("seconds[0] += 1", "time.sleep(600)")


@pytest.fixture(scope="module")
def kept():
    with loopback_world(("web",)) as world:
        for _ in range(4):
            assert world.run("-q", config=config_of(world, "web")).returncode == 0
        yield Kept(world)


@pytest.fixture
def backed_up(kept) -> World:
    """A world whose repository has more segments than a second is enough for, and was never checked."""
    return kept.put_back()


def in_parts(world: World, version: str = "1.2") -> dict[str, Any]:
    config = config_of(world, "web")
    config["Borg"] |= {"CheckEvery": "7d", "CheckMaxDuration": "8s", "PruneSetting": "--keep-last 2"}
    slow = script(world.lab.directory / f"slow-{version}", SLOW.format(python=python_of(version)))
    config["Borg"]["Server"] = config["Borg"]["Server"] | {"BorgPath": slow}
    return config


def night(world: World, config: dict[str, Any], version: str = "1.2") -> tuple[dict[str, Any], dict[str, str]]:
    """Return the row of a run, and for each step what became of it, by its name and detail."""
    done = row(world.run("--json", config=config, borg=borg_14() if version == "1.4" else ""), "web")
    return done, {step["step"]: f"{step['outcome']} {step['detail']}" for step in done["steps"]}


def ledger(world: World) -> Path:
    return world.lab.root / ".borgpull" / "web" / "ledger.json"


def check_from(world: World) -> int:
    return json.loads(ledger(world).read_text())["check_from"]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_a_check_goes_on_where_the_last_run_ended_and_prune_waits_for_it(backed_up, version):
    world, config = backed_up, in_parts(backed_up, version)
    done, steps = night(world, config, version)
    assert done["outcome"] == "done", said_of(done)
    assert "segments below" in steps["check"]
    assert "the next run goes on with the check (CheckMaxDuration)" in steps["prune"]
    came = check_from(world)
    assert came > 0
    for _ in range(6):
        done, steps = night(world, config, version)
        assert done["outcome"] == "done", said_of(done)
        assert "anew" not in steps["check"]
        if steps["check"] == "done archives":
            break
        assert check_from(world) > came, "it goes on"
        came = check_from(world)
    assert steps["check"] == "done archives"
    assert steps["prune"].startswith("done")
    assert len(world.lab.archives(world.target("web"))) == 2
    assert night(world, config, version)[1]["check"].startswith("skipped")
    told = json.loads(world.run("status", "--json", config=config).stdout)["targets"][0]
    assert told["checked"] is not None


@pytest.mark.slow
def test_a_forged_mark_in_the_repository_hides_no_damage(backed_up):
    world, config = backed_up, in_parts(backed_up)
    assert night(world, config)[0]["outcome"] == "done"
    repository = world.target("web").repository
    damaged = max(repository.glob("data/*/*"), key=lambda place: place.stat().st_size)
    text = bytearray(damaged.read_bytes())
    text[len(text) // 2] ^= 1
    damaged.write_bytes(text)
    # A session of the target's can have it written, to where nothing is left to read.
    mark = (repository / "config").read_text()
    assert "last_segment_checked" in mark
    lines = [line for line in mark.splitlines() if not line.startswith("last_segment_checked")]
    (repository / "config").write_text("\n".join([*lines, "last_segment_checked = 999"]) + "\n")
    for _ in range(6):
        done, _ = night(world, config)
        if done["outcome"] != "done":
            break
    assert "borg check found damage in the repository" in said_of(done)
    again, _ = night(world, config)
    assert "borg check found damage in the repository" in said_of(again), "it does not go on behind it"
    assert len(world.lab.archives(world.target("web"))) > 4, "nothing was pruned"


@pytest.mark.slow
def test_a_check_that_comes_to_no_end_holds_prune_no_longer_than_check_every(backed_up):
    world, config = backed_up, in_parts(backed_up)
    assert night(world, config)[1]["prune"].startswith("skipped")
    record = json.loads(ledger(world).read_text())
    record["check_began"] = time.time() - 8 * 86400
    ledger(world).write_text(json.dumps(record))
    _, steps = night(world, config)
    assert steps["prune"].startswith("done")
    assert [*steps][-1] == "check"
    assert len(world.lab.archives(world.target("web"))) == 2


@pytest.mark.slow
def test_a_check_that_does_not_fit_into_the_timeout_is_told_which_keys_help(backed_up):
    world, config = backed_up, in_parts(backed_up)
    del config["Borg"]["CheckMaxDuration"]
    script(Path(config["Borg"]["Server"]["BorgPath"]), STOPPED.format(python=python_of("1.2")))
    config["Servers"][0]["Timeout"] = "25s"
    done, _ = night(world, config)
    assert done["outcome"] == "failed"
    assert "set CheckMaxDuration in [Borg]" in said_of(done)
