"""`status` on repositories in each state that there is; and `doctor` on the same, which must leave all as it was.

One real run makes the repository that the others are copies of, each brought into its state on B.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support import Result, World, loopback_world
from support.place import ROOT
from support.reading import connections, entry, script, until

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "status.schema.json").read_text()))
# What is on B: the state, the phase of the ledger, and words of cause and rules.
STATES = {
    "good": ("ok", "clean", ""),
    "never": ("never", "none", "it was never backed up"),
    "empty": ("never", "clean", "it has no archive yet"),
    "taken-over": ("never", "none", "a repository is there, but borgpull never verified it"),
    "changed": ("changed", "clean", "something was written since"),
    "tampered": ("tampered", "closed", "older objects were deleted"),
    "gone": ("tampered", "clean", "there is nothing at its path"),
    "unreadable": ("unverifiable", "unreadable", "its ledger cannot be read: it is damaged"),
    "interrupted": ("interrupted", "open", "a run of it ended in the middle"),
    "pruning": ("interrupted", "own", "a run of it ended in the middle"),
    "old-ledger": ("ok", "clean", ""),
    "without-links": ("ok", "clean", ""),
}
LEVELS = {
    "ok": "ok",
    "interrupted": "warning",
    "changed": "warning",
    "stale": "warning",
    "never": "unknown",
    "tampered": "critical",
    "unverifiable": "critical",
}


@pytest.fixture(scope="module")
def repositories() -> Iterator[tuple[World, dict[str, Any]]]:
    """A world, and a config with a target for each state, all of them on the one host there is."""
    with loopback_world(["good"], check_every="") as world:
        first = world.run("-q")
        assert first.returncode == 0, first.stderr
        for name in STATES:
            if name not in ("good", "never"):
                _copy(world, name)
        config = world.lab.config()
        config["Servers"] = [_target(world, name) for name in STATES]
        _bring_about(world, config)
        yield world, config


def _target(world: World, name: str) -> dict[str, Any]:
    table = world.lab.config()["Servers"][0]
    return table | {"Name": name, "BorgTarget": table["BorgTarget"] | {"SubDir": name}}


def _copy(world: World, name: str) -> None:
    shutil.copytree(world.lab.root / "good", world.lab.root / name)
    shutil.copytree(world.lab.root / ".borgpull" / "good", world.lab.root / ".borgpull" / name)


def _bring_about(world: World, config: dict[str, Any]) -> None:
    (archive,) = world.lab.archives(world.target("good"))
    for name in ("gone", "tampered"):
        shutil.rmtree(world.lab.root / name)
    shutil.rmtree(world.lab.root / ".borgpull" / "taken-over")
    _ledger(world, "unreadable").write_text('{"version": 1, "phase":')
    _edit(world, "pruning", lambda record: record.update(phase="own"))
    _edit(world, "old-ledger", lambda record: (record.pop("taken"), record.pop("checked")))
    _edit(world, "without-links", lambda record: record.update(linked=False))
    _edit(world, "empty", lambda record: record["evidence"].update(archives=[]))
    _delete(world, "changed", archive)
    shutil.copytree(world.lab.root / "changed", world.lab.root / "tampered")
    names = [table for table in config["Servers"] if table["Name"] == "tampered"]
    found = world.run("-q", config=config | {"Servers": names})
    assert found.returncode == 3, found.stderr
    _interrupt(world, config)


def _ledger(world: World, name: str) -> Path:
    return world.lab.root / ".borgpull" / name / "ledger.json"


def _edit(world: World, name: str, change: Callable[[dict], Any]) -> None:
    record = json.loads(_ledger(world, name).read_text())
    change(record)
    _ledger(world, name).write_text(json.dumps(record))


def _delete(world: World, name: str, archive: str) -> None:
    """Delete the archive of a copy, as somebody does who is on B."""
    target = world.target("good")
    place = world.lab.root / name
    env = {
        "BORG_BASE_DIR": str(world.lab.directory / f"onlooker-{name}"),
        "BORG_PASSPHRASE": target.passphrase,
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "PATH": "/usr/bin:/bin",
    }
    subprocess.run(["borg", "delete", f"{place}::{archive}"], env=env, check=True, capture_output=True)


def _interrupt(world: World, config: dict[str, Any]) -> None:
    """Kill C while T's borg is at work on "interrupted"."""
    begun = world.lab.directory / "begun"
    (table,) = [dict(table) for table in config["Servers"] if table["Name"] == "interrupted"]
    table["BorgPath"] = script(
        world.lab.directory / "slow borg", f"echo >'{begun}'; while [ -e '{begun}' ]; do sleep 0.1; done\n"
    )
    run = world.start("-q")
    with run:
        run.stdin.write(world.lab.config_text(config | {"Servers": [table]}))
        run.stdin.close()
        until(begun.exists, process=run)
        working = standing(world.run("status", "--json", "interrupted", config=config), "interrupted")
        run.kill()
    assert (working["state"], working["ledger"], working["level"]) == ("ok", "open", "ok")
    assert "pid " in working["at_work"]
    begun.unlink()
    until(lambda: not connections(world.lab.server) and not list(world.target("good").host.temporary.iterdir()))


@pytest.fixture(scope="module")
def asked(repositories) -> Result:
    """What status says of all of them as JSON."""
    world, config = repositories
    return world.run("status", "--json", config=config)


def standing(result: Result, name: str) -> dict[str, Any]:
    assert result.stdout, result.stderr
    return next(each for each in json.loads(result.stdout)["targets"] if each["name"] == name)


@pytest.mark.parametrize("name", STATES)
def test_each_state_is_told_with_its_level_and_the_way_out(asked, name):
    state, ledger, words = STATES[name]
    told = standing(asked, name)
    assert (told["state"], told["ledger"], told["level"]) == (state, ledger, LEVELS[state])
    assert words in " ".join([told["cause"], *told["rules"]])
    assert bool(told["hint"]) == (state != "ok")
    assert told["at_work"] == ""


def test_a_good_repository_is_told_in_numbers(repositories, asked):
    world, _ = repositories
    told = standing(asked, "good")
    (archive,) = world.lab.archives(world.target("good"))
    assert told["last_archive"]["name"] == archive
    assert 0 < told["age"] < 600
    assert told["archives"] == 1
    used = subprocess.run(["du", "-sk", world.lab.root / "good"], capture_output=True, text=True, check=True)
    assert told["size"] == int(used.stdout.split()[0]) * 1024
    assert 0 < told["growth"] < told["size"], "the run put something into a repository that took some space before"
    assert told["checked"] > told["last_archive"]["start"]


def test_a_ledger_of_before_is_read_and_what_it_does_not_tell_is_null(asked):
    told = standing(asked, "old-ledger")
    assert (told["growth"], told["checked"]) == (None, None)
    assert told["archives"] == 1


def test_the_answer_is_that_of_the_published_schema_and_its_code_that_of_the_worst(asked):
    report = json.loads(asked.stdout)
    SCHEMA.validate(report)
    assert (report["level"], report["error"], report["max_age"]) == ("critical", None, 26 * 3600)
    assert [each["name"] for each in report["targets"]] == list(STATES)
    assert asked.returncode == 2
    assert asked.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "first"),
    [
        (["good", "old-ledger"], 0, "OK: 2 targets ok"),
        (["good", "--max-age", "1s"], 1, "WARNING: 1 stale (good)"),
        (["good", "changed", "never"], 3, "UNKNOWN: 1 never backed up (never), 1 changed (changed), 1 target ok"),
    ],
)
def test_the_first_line_and_the_exit_code_tell_a_monitor_the_worst(repositories, arguments, code, first):
    world, config = repositories
    result = world.run("status", *arguments, config=config)
    assert result.stdout.splitlines()[0] == first
    assert result.returncode == code
    assert result.stderr == ""


def test_a_backup_server_that_does_not_answer_is_unknown(repositories):
    world, config = repositories
    server = config["Borg"]["Server"]
    lost = server | {"Host": "127.0.0.1:1", "KnownHost": f"[127.0.0.1]:1 {world.lab.server.host_key.public}"}
    result = world.run("status", "--json", config=config | {"Borg": config["Borg"] | {"Server": lost}})
    assert result.returncode == 3
    report = json.loads(result.stdout)
    SCHEMA.validate(report)
    assert (report["level"], report["targets"]) == ("unknown", [])
    assert report["error"]["party"] == "B"
    assert "connection was refused" in report["error"]["cause"]


def test_an_age_that_is_none_exits_with_4(repositories):
    world, config = repositories
    result = world.run("status", "--max-age", "yesterday", config=config)
    assert result.returncode == 4
    assert result.stderr.startswith("error: command line: --max-age is not a duration: ")


def test_neither_of_them_changes_anything(repositories, asked):
    world, config = repositories
    # A real borg takes half a second to say its version; that of one target will do.
    quick = script(world.lab.directory / "quick borg", "echo borg 1.2.4")
    for name in STATES.keys() - {"good"}:
        entry(config, name)["BorgPath"] = quick
    before = everything(world)
    status = world.run("status", config=config)
    doctor = world.run("doctor", "--json", config=config)
    assert (status.returncode, doctor.returncode) == (2, 2), doctor.stdout
    assert everything(world) == before
    ledgers = {
        each["party"].removeprefix("T "): each
        for each in json.loads(doctor.stdout)["findings"]
        if each["what"] == "ledger"
    }
    worst = {"ok": "ok", "interrupted": "note", "changed": "warning", "never": "ok"}
    assert {name: ledgers[name]["mark"] for name in STATES} == {
        name: worst.get(state, "failed") for name, (state, _, _) in STATES.items()
    }
    links = next(each for each in json.loads(doctor.stdout)["findings"] if each["what"] == "hard links")
    assert links["mark"] == "warning"
    assert "no hard links" in links["detail"]


def everything(world: World) -> dict[str, tuple]:
    """Return each file on B and on the target with its mode, time and content; what sshd logs apart."""
    found = {}
    for host in (world.lab.root, world.lab.server.directory, world.target("good").host.directory):
        for place in sorted(host.rglob("*")):
            seen = place.lstat()
            if place.name == "sshd.log":
                continue
            if place.is_symlink() or not place.is_file():
                found[str(place)] = (seen.st_mode,)
            else:
                found[str(place)] = (seen.st_mode, seen.st_mtime_ns, seen.st_ino, place.read_bytes())
    return found
