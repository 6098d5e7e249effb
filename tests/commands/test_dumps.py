"""Streams: what commands on a target print, in archives of their own; what is kept of it, and what a failure costs."""

import json
import signal
from collections import Counter

import jsonschema
import pytest

from attacks.attack import plant as plant_attack
from lab import processes
from support import ROOT, World, borg_14, loopback_world, secrets_of
from support.following import Run
from support.reading import config_of, ends, entry, events, row, said_of, until

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.schema.json").read_text()))


@pytest.fixture(scope="module")
def world():
    with loopback_world(("web",), planted=False) as made:
        (made.target("web").source / "file").write_text("there")
        yield made


def streaming(world: World, streams: dict[str, str], **options: object) -> dict:
    told = [{"Name": name, "Command": command} for name, command in streams.items()]
    config = config_of(world, "web", Streams=told, **options)
    config["Borg"]["PruneSetting"] = "--keep-last 1"
    return config


def series_of(world: World) -> Counter[str]:
    """Return how many archives there are of each series."""
    return Counter(name.rpartition("-20")[0] for name in world.lab.archives(world.target("web")))


def test_what_a_command_prints_is_kept_and_a_failing_one_leaves_nothing_and_fails_the_target(world):
    # swordfish stands in this command alone
    all_words = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    look = f"{{ env; ls -l /proc/self/fd; {all_words} | grep -c 'sw[o]rdfish'; : swordfish; }} >&2"
    streams = {
        "db.sql": f"printf 'a\\0b\\n\\n'; printf %s \"it's\"\n{look}",
        "bad": "echo half a dump; printf 'no such \033[31mbase' >&2; exit 3",
    }
    config = streaming(world, streams, After=["echo $BORGPULL_ERROR"])
    done = world.run("--json", "-v", config=config)
    told = row(done, "web")
    SCHEMA.validate(json.loads(done.stdout))
    assert done.returncode == 2, done.stderr
    why = "T web: the command of the stream bad failed (exit 3): no such �[31mbase"
    assert said_of(told).splitlines()[0] == why
    steps = [step["step"] for step in told["steps"]]
    assert steps == ["connect", "inspect", "create", *["verify", "stream"] * 2, "after", "verify"]
    assert [step["detail"] for step in told["steps"] if step["step"] == "stream"] == list(streams)
    assert told["verdict"] == "clean"
    assert series_of(world) == {"snapshot": 1, "@db.sql": 1}
    assert told["archive"]["name"].startswith("snapshot-")
    assert [each["name"] for each in told["streams"]] == ["db.sql"]
    said = {each["command"]: (each["status"], "\n".join(each["output"])) for each in told["commands"]}
    assert said["Streams[1]"] == (3, "no such �[31mbase")
    assert said["After[0]"] == (0, why.replace("T web", "target web"))
    status, seen = said["Streams[0]"]
    assert (status, "BORGPULL_ARCHIVE=@db.sql-20" in seen, seen.splitlines()[-1]) == (0, True, "0")
    hidden = ("BORG_PASS", "BORG_RSH", "BORG_REPO", "BORG_EXIT", "TZ=", "LC_ALL=", "socket")
    assert [word for word in hidden if word in seen] == []
    assert [each for each in secrets_of(world.lab) if each.decode() in json.dumps(told)] == []
    kept = world.lab.borg(world.target("web"), "extract", "--stdout", f"::{told['streams'][0]['archive']['name']}")
    assert kept == b"a\0b\n\nit's"
    assert "failed (exit 3): no such" in world.run("status", config=config).stdout
    assert world.leftovers() == []


def test_each_series_is_pruned_by_itself(world):
    assert world.run("-q", config=streaming(world, {"db.sql": "echo some"})).returncode == 0
    before = set(world.lab.archives(world.target("web")))
    done = world.run("--json", config=streaming(world, {"db.sql": "echo more"}))
    assert done.returncode == 0, done.stderr
    assert {"prune": "done", "compact": "done"}.items() <= ends(row(done, "web")).items()
    assert series_of(world) == {"snapshot": 1, "@db.sql": 1}
    assert before & set(world.lab.archives(world.target("web"))) == set()


def test_a_run_that_is_stopped_ends_the_command_and_all_that_it_started(world, tmp_path):
    hangs = "sleep 9543311 & head -c 100000 /dev/zero; sleep 9543322"
    run = Run(world, streaming(world, {"db": hangs}), tmp_path)
    run.until(lambda: run.has("step_started", step="stream") and processes.mentioning("9543322"))
    run.process.send_signal(signal.SIGINT)
    assert run.end().returncode == 130
    assert processes.mentioning("9543311") + processes.mentioning("9543322") == []
    assert world.leftovers() == []
    assert [e["status"] for e in events(run.told) if e["event"] == "command_finished"] == [-1]
    assert run.accusations() == []


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.2", "1.4"])
@pytest.mark.parametrize("options", [{"Gate": True}, {"Transport": "stdio", "Nice": 5}], ids=["gate", "stdio"])
def test_both_borgs_and_every_road_take_a_stream(world, tmp_path, version, options):
    if version == "1.4":
        options = options | {"BorgPath": borg_14()}
    streams = {"good": "seq 1 2000000", "bad": "kill -9 $$", "empty": ":"}
    done = world.run("--json", config=streaming(world, streams, **options))
    told = row(done, "web")
    assert said_of(told).startswith("T web: the command of the stream bad failed (killed by signal 9)"), done.stderr
    assert "warning: target web: the command of the stream empty printed nothing" in said_of(told)
    assert (done.returncode, told["verdict"]) == (2, "clean")
    assert [each["name"] for each in told["streams"]] == ["good", "empty"]
    assert (
        world.run("restore", "web", "@good", "--to", str(tmp_path / "to"), config=streaming(world, {})).returncode == 0
    )
    assert (tmp_path / "to" / "good").read_text() == "".join(f"{number}\n" for number in range(1, 2_000_001))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill -9 $PPID", "kill -STOP $PPID"], ids=["killed", "stopped"])
def test_a_command_does_not_outlive_its_borg(world, end):
    options = {"StallTimeout": "61s", "Timeout": "90s"}
    done = world.run("--json", config=streaming(world, {"db": f"echo a; {end}; sleep 9543333"}, **options))
    assert (done.returncode, row(done, "web")["streams"]) == (2, []), done.stderr
    until(lambda: processes.mentioning("9543333") == [])
    assert world.leftovers() == []


@pytest.mark.slow
def test_the_archives_of_a_stream_that_is_no_longer_read_are_kept(world):
    assert world.run(config=streaming(world, {"db": "echo 1", "db-2": "echo 2"})).returncode == 0
    assert world.run(config=streaming(world, {"db-2": "echo 3"})).returncode == 0
    assert {"snapshot": 1, "@db": 1, "@db-2": 1}.items() <= series_of(world).items()


@pytest.mark.slow
def test_a_run_that_was_killed_while_a_stream_was_read_is_verified_by_the_next_one(world, tmp_path):
    run = Run(world, streaming(world, {"db": "echo a; sleep 9543344"}), tmp_path)
    run.until(lambda: run.has("step_started", step="stream") and processes.mentioning("9543344"))
    run.kill()
    until(lambda: processes.mentioning("9543344") == [])
    done = world.run("--json", config=streaming(world, {"db": "echo a"}))
    told = row(done, "web")
    assert (done.returncode, told["verdict"]) == (0, "clean"), done.stderr
    assert "an interrupted run was verified" in [step["detail"] for step in told["steps"]]


@pytest.mark.slow
def test_what_a_command_leaves_running_keeps_nobody_waiting(world):
    streams = {"db": "echo a; sleep 9543355 >/dev/null &", "etc": "echo b"}
    done = world.run("--json", config=streaming(world, streams))
    assert (done.returncode, [each["name"] for each in row(done, "web")["streams"]]) == (0, list(streams)), done.stderr
    assert processes.mentioning("9543355") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("move", "gate", "step"), [("delete_archive", False, "verify"), ("overwrite_one_chunk", True, "stream")]
)
def test_an_attack_in_the_session_of_a_stream_is_found(move, gate, step):
    with loopback_world(("web",)) as attacked:
        host = attacked.target("web").host.directory
        plant_attack(host / "evil", move)
        of_a_stream = f'case " $* " in *" --content-from-command "*) exec {host}/evil "$@" ;; esac'
        (host / "borg").write_text(f'#!/bin/sh\n{of_a_stream}\nexec /usr/bin/borg "$@"\n')
        (host / "borg").chmod(0o755)
        config = streaming(attacked, {"db": "echo a", "etc": "echo b"}, Gate=gate)
        assert attacked.run(config=config).returncode == 0
        entry(config, "web")["BorgPath"] = str(host / "borg")
        done = attacked.run("--json", config=config)
        told = row(done, "web")
        assert (done.returncode, told["outcome"], told["streams"]) == (3, "tampered", []), done.stderr
        assert [each["step"] for each in told["steps"] if each["outcome"] == "tampered"] == [step]
        assert series_of(attacked)["@etc"] == 1
