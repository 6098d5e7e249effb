"""Which archives count as backups and which go: told by borgpull, judged by plain borg."""

import json
import os
import time
from pathlib import Path

import pytest

from lab import Spot
from support import World, borg_14, loopback_world
from support.kept import Kept
from support.place import QUICK
from support.reading import config_of, report, row, said_of, script

FOREIGN = ("root", "home", "mysql")
DAY = 86400


@pytest.fixture(scope="module", params=["1.2", pytest.param("1.4", marks=pytest.mark.slow)])
def kept(request):
    borg = borg_14() if request.param == "1.4" else ""
    with loopback_world((Spot(name="web", borg_path=borg),), server=Spot(name="B", borg_path=borg)) as world:
        if borg:
            (world.lab.directory / QUICK / "borg").write_text(f'#!/bin/sh\nBORG_SELFTEST=disabled exec {borg} "$@"\n')
        assert world.run(config=rules(world)).returncode == 0
        yield Kept(world)


@pytest.fixture
def world(kept) -> World:
    """A target with one archive, and `--keep-last 2`."""
    return kept.put_back()


def rules(world: World, **changes) -> dict:
    config = config_of(world, "web", **changes)
    config["Borg"]["PruneSetting"] = "--keep-last 2"
    return config


def archives(world: World) -> list[str]:
    return world.lab.archives(world.target("web"))


def ledger(world: World) -> Path:
    return world.lab.root / ".borgpull" / "web" / "ledger.json"


def listed(world: World, *options: str) -> dict[str, dict]:
    result = world.run("list", "web", "--json", *options, config=rules(world))
    assert result.returncode == 0, result.stderr
    return {each["name"]: each for each in json.loads(result.stdout)["archives"]}


def status(world: World) -> tuple[int, dict]:
    result = world.run("status", "--json", config=rules(world))
    return result.returncode, json.loads(result.stdout)["targets"][0]


def borg_on_controller(world: World, name: str, text: str) -> str:
    """A borg for C that does something else at some command; $1 is the command."""
    folder = world.lab.directory / name
    folder.mkdir(exist_ok=True)
    find = "for word do case $word in -*) ;; *) break ;; esac; done\n"
    return script(folder / "borg", f'PATH={os.environ["PATH"]}\n{find}{text}\nexec borg "$@"\n')


def test_the_archives_of_others_are_left_alone_and_counted(tmp_path):
    with loopback_world(("web",)) as world:
        target = world.target("web")
        world.lab.borg(target, "init", "--encryption=repokey-blake2")
        now = time.time()
        names = [f"{kind}-2026-0{month}-01" for kind in FOREIGN for month in (1, 2, 3)]
        for place, name in enumerate(names):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now - DAY * (30 - place)))
            world.lab.borg(target, "create", f"--timestamp={stamp}", f"::{name}", str(tmp_path))
        config = rules(world)
        config["Borg"]["PruneSetting"] = "--keep-last 1"
        first = world.run("-v", config=config)
        assert first.returncode == 0, first.stderr
        assert "9 archives are not borgpull's and are left alone" in first.stderr
        assert world.run(config=config).returncode == 0
        assert set(archives(world)) >= set(names)
        assert len(archives(world)) == 10, "its own series is pruned as ever"
        found = world.run("doctor", config=config)
        assert "9 archives are not borgpull's and are never pruned" in found.stdout + found.stderr
        config["Borg"]["PruneAlso"] = ["home-"]
        assert world.run(config=config).returncode == 0
        left = [name for name in archives(world) if not name.startswith("snapshot-")]
        assert set(left) == {*(name for name in names if not name.startswith("home-")), "home-2026-03-01"}


def test_nothing_good_is_gone_after_five_bad_nights(world, tmp_path):
    assert world.run(config=rules(world)).returncode == 0
    good = archives(world)
    bad = rules(world, SourcePaths=[str(tmp_path)])
    for _ in range(5):
        result = world.run("--json", config=bad)
        assert result.returncode == 2, result.stderr
        assert "the archive holds no file at all" in said_of(row(result, "web"))
    assert set(archives(world)) > set(good)
    aside = [name for name in archives(world) if name not in good]
    shown = listed(world, "--why")
    assert {shown[name]["set_aside"] for name in aside} == {"set aside: the archive holds no file at all"}
    assert [shown[name]["set_aside"] for name in good] == ["", ""]
    assert all("goes after" in shown[name]["rule"] for name in aside)
    code, found = status(world)
    assert (code, found["state"], found["last_archive"]["name"]) == (1, "failing", good[-1])
    assert "its last run failed: the archive holds no file at all" in found["cause"]
    latest = world.run("list", "web", "latest", config=rules(world))
    assert "folder 0/" in latest.stdout, "latest is the last good one"

    assert world.run(config=rules(world)).returncode == 0
    assert [name for name in archives(world) if name not in aside][:-1] == good[1:], "only good ones take a place"
    assert status(world)[0] == 0


def test_a_source_path_that_went_away_is_known_however_it_is_spelt(world):
    target = world.target("web")
    secret, away = target.source.parent / "secret", target.source.parent / "away"
    secret.mkdir()
    (secret / "file").write_text("of the highest value")
    taking = script(target.host.directory / "taking", f'mv "{secret}" "{away}" 2>/dev/null\nexec borg "$@"\n')
    paths = [str(target.source), f"{target.source.parent}//./secret/"]
    result = world.run("--json", config=rules(world, SourcePaths=paths, BorgPath=taking))
    away.rename(secret)
    assert result.returncode == 2, result.stderr
    assert f"a source path could not be read: {secret}: " in said_of(row(result, "web"))
    (aside,) = [name for name, each in listed(world).items() if each["set_aside"]]
    assert aside == archives(world)[-1]


def test_an_archive_can_be_kept_after_all(world, tmp_path):
    (good,) = archives(world)
    assert world.run(config=rules(world, SourcePaths=[str(tmp_path)])).returncode == 2
    aside = archives(world)[-1]
    assert world.run("keep", "web", good, config=rules(world)).returncode == 4
    assert world.run("keep", "web", "nothing", config=rules(world)).returncode == 4
    result = world.run("keep", "web", aside, config=rules(world))
    assert result.returncode == 0, result.stderr
    assert f"{aside} counts as good; the next prune keeps it: " in result.stderr
    assert listed(world)[aside]["set_aside"] == ""
    decided = status(world)[1]["history"][-1]
    assert (decided["what"], decided["cause"]) == ("keep", f"the archive {aside} counts as good")


def test_an_archive_whose_run_died_counts_when_the_next_one_finds_it_whole(world, tmp_path):
    dying = borg_on_controller(world, "dying", '[ "$word" != list ] || { kill -KILL "$PPID"; exit 1; }')
    assert world.run(config=rules(world), borg=dying).returncode == -9
    died = archives(world)[-1]
    assert world.run(config=rules(world)).returncode == 0
    assert listed(world)[died]["set_aside"] == ""

    empty = rules(world, SourcePaths=[str(tmp_path)])
    assert world.run(config=empty, borg=dying).returncode == -9
    died = archives(world)[-1]
    assert world.run(config=rules(world)).returncode == 0
    assert listed(world)[died]["set_aside"].startswith("unjudged: its run ended early")
    assert died in archives(world)


@pytest.mark.parametrize(
    "when",
    [pytest.param("before", marks=pytest.mark.slow), "after", pytest.param("in the middle", marks=pytest.mark.slow)],
)
def test_a_prune_that_is_killed_is_made_good_by_the_next_run(world, when):
    assert world.run(config=rules(world)).returncode == 0
    before = archives(world)
    kill = 'kill -KILL "$PPID"; exit 1'
    deeds = {
        "before": f'[ "$word" != delete ] || {{ {kill}; }}',
        "after": f'[ "$word" != delete ] || {{ borg "$@"; {kill}; }}',
        "in the middle": f'[ "$word" != delete ] || {{ borg "$@" & sleep 0.4; kill -KILL $!; {kill}; }}',
    }
    killing = borg_on_controller(world, "killing", deeds[when])
    assert world.run(config=rules(world), borg=killing).returncode == -9
    record = json.loads(ledger(world).read_text())
    assert (record["phase"], len(record["intent"])) == ("own", 1)
    # What was deleted is no evidence against the repository, though a list that fails for another reason shows no more.
    full = "OSError: [Errno 28] No space left on device"
    failing = borg_on_controller(world, "failing", f'[ "$word" != list ] || {{ echo "{full}" >&2; exit 2; }}')
    assert world.run(config=rules(world), borg=failing).returncode == 2
    assert json.loads(ledger(world).read_text())["phase"] == "own"
    result = world.run("--json", config=rules(world))
    assert result.returncode == 0, result.stderr
    assert before[0] not in archives(world)
    assert len(archives(world)) == 2
    assert status(world)[0] == 0


def test_what_borg_did_not_delete_is_said_whatever_its_exit_status(world):
    assert world.run(config=rules(world)).returncode == 0
    before = archives(world)
    idle = borg_on_controller(world, "idle", '[ "$word" != delete ] || exit 0')
    result = world.run("--json", config=rules(world), borg=idle)
    assert result.returncode == 2, result.stderr
    assert f"borg delete left 1 of 1 archives: {before[0]}" in said_of(row(result, "web"))
    assert set(before) < set(archives(world))
    assert world.run(config=rules(world)).returncode == 0
    assert before[0] not in archives(world)


def test_nothing_is_pruned_while_the_last_run_lies_in_the_future(world):
    assert world.run(config=rules(world)).returncode == 0
    record = json.loads(ledger(world).read_text())
    ledger(world).write_text(json.dumps(record | {"started": time.time() + 7200}))
    before = archives(world)
    result = world.run("--json", config=rules(world))
    assert result.returncode == 1, result.stderr
    assert "nothing was pruned: the last run is dated 7" in said_of(row(result, "web"))
    assert set(before) < set(archives(world))
    assert world.run(config=rules(world)).returncode == 0
    assert len(archives(world)) == 2


def test_a_ledger_of_a_newer_borgpull_closes_nothing(world):
    record = json.loads(ledger(world).read_text())
    text = json.dumps(record | {"version": 2, "news": True})
    ledger(world).write_text(text)
    for words in (["run"], ["list", "web"], ["accept", "web", "--yes"], ["rollback", "web", "--yes"]):
        result = world.run(*words, config=rules(world))
        assert result.returncode == 2, result.stderr
        assert "was written by a newer borgpull" in result.stderr
    code, found = status(world)
    assert (code, found["state"]) == (3, "unknown")
    assert "was written by a newer borgpull" in found["cause"]
    assert ledger(world).read_text() == text


def test_a_target_that_cannot_be_reached_is_no_ok_for_as_long_as_its_last_archive_is_young(world):
    config = rules(world)
    config["Servers"][0]["Connection"]["Host"] = "127.0.0.1:1"
    config["Servers"][0]["Connection"]["KnownHost"] = "[127.0.0.1]:1 " + world.target("web").host.host_key.public
    assert world.run(config=config).returncode == 2
    code, found = status(world)
    assert (code, found["state"]) == (1, "failing")
    assert "its last run failed: the connection was refused" in found["cause"]
    assert [event["outcome"] for event in found["history"]] == ["done", "failed"]
    assert world.run(config=rules(world)).returncode == 0
    assert status(world)[0] == 0


def test_a_path_with_a_star_is_told_that_nothing_is_expanded(world):
    result = world.run("--json", config=rules(world, SourcePaths=["/etc/*.conf"]))
    assert result.returncode == 2
    assert "`*`, `?` and `~` are not expanded" in said_of(row(result, "web"))


@pytest.mark.parametrize(("warn", "code"), [(False, 0), (True, 1)])
def test_a_file_that_changes_while_it_is_read_is_a_warning_only_where_that_is_wished(world, warn, code):
    source = world.target("web").source
    changing = script(
        world.target("web").host.directory / "changing",
        f'(while sleep 0.002; do touch "{source}/busy"; done) & w=$!; truncate -s 200M "{source}/busy"\n'
        'borg "$@"; s=$?; kill $w; exit $s\n',
    )
    result = world.run("--json", config=rules(world, BorgPath=changing, WarnOnChange=warn))
    assert result.returncode == code, result.stderr
    seen = row(result, "web")
    (create,) = [step for step in seen["steps"] if step["step"] == "create"]
    assert ("1 file changed while being read" in create["detail"]) is not warn
    assert ("file changed while we backed it up" in said_of(seen)) is warn
    assert report(result)["outcome"] == ("warning" if warn else "done")


def test_an_archive_of_which_its_borg_says_nothing_is_not_counted_by_its_own_run(world):
    (good,) = archives(world)
    silent = script(world.target("web").host.directory / "silent", 'exec borg "$@" >/dev/null\n')
    result = world.run("--json", config=rules(world, BorgPath=silent))
    assert result.returncode == 2, result.stderr
    assert "says nothing of what it holds" in said_of(row(result, "web"))
    assert listed(world)[archives(world)[-1]]["set_aside"] == "unjudged"
    assert status(world)[1]["last_archive"]["name"] == good
