"""Before, After and OnFailure: when they run, what they see, what is told of them, and that they cost one row only."""

import json
import os
import signal

import pytest

from lab import processes
from support import loopback_world, secrets_of
from support.following import Run
from support.reading import config_of, ends, entry, row, said_of, script, until

BROKEN = {
    "Before": ["echo one", "echo ready; echo 'no such disk' >&2; exit 3", "echo three"],
    "After": ["echo put back"],
}


@pytest.fixture(scope="module")
def world():
    with loopback_world(planted=False) as made:
        for target in made.targets:
            (target.source / "file").write_text("there")
        yield made


def commands_of(told: dict) -> dict[str, tuple[int | None, list[str]]]:
    return {each["command"]: (each["status"], each["output"]) for each in told["commands"]}


def test_they_run_around_the_backup_and_see_no_more_than_they_are_told(world):
    web = world.target("web")
    made = web.source.parent / "made"
    config = config_of(world, "web")
    entry(config, "web").update(
        SourcePaths=[str(web.source), str(made)],
        Before=[
            f"mkdir {made}\ncp {web.source}/file {made}/copy",
            "env; cat /proc/self/environ; ls -l /proc/self/fd | cat",
            # swordfish stands in this command alone
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -ac 'sw[o]rdfish'\n"
            "ls -d /tmp/borgpull.* # swordfish\ntrue",
            "printf 'red: \\033[31m\\n\\nlast, without an end'",
        ],
        After=[f"rm -r {made}; echo $BORGPULL_TARGET $BORGPULL_OUTCOME '<'$BORGPULL_ERROR'>' $BORGPULL_ARCHIVE"],
        OnFailure=["echo it failed"],
    )
    done = world.run("--json", "-v", config=config)
    told = row(done, "web")
    assert done.returncode == 0, done.stderr
    assert list(ends(told))[:5] == ["connect", "inspect", "before", "create", "after"]
    said = commands_of(told)
    assert list(said) == ["Before[0]", "Before[1]", "Before[2]", "Before[3]", "After[0]"]
    assert said["After[0]"] == (0, [f"web done <> {told['archive']['name']}"])
    listed = world.lab.borg(web, "list", "--short", f"::{told['archive']['name']}").decode()
    assert f"{made}/copy".lstrip("/") in listed.splitlines()
    assert not made.exists()
    seen = "\n".join(said["Before[1]"][1])
    assert "BORGPULL_TARGET=web" in seen
    assert "BORG_PASS" not in seen
    assert "BORG_RSH" not in seen
    assert "socket" not in seen
    assert [secret for secret in secrets_of(world.lab) if secret.decode() in json.dumps(told)] == []
    assert said["Before[2]"][1][0] == "0", "a command must stand in no argv, on T or here"
    assert said["Before[3]"] == (0, ["red: �[31m", "last, without an end"])
    assert "web: Before[3] said: last, without an end" in done.stderr
    assert world.leftovers() == []


def test_a_command_that_fails_fails_the_target_and_after_and_on_failure_run_all_the_same(world):
    tell = ["echo $BORGPULL_OUTCOME: $BORGPULL_ERROR"]
    config = config_of(world, "web", "mail", **BROKEN, OnFailure=[*tell, "exit 5"])
    done = world.run("--json", config=config)
    assert done.returncode == 2, done.stderr
    told = row(done, "web")
    assert said_of(told).startswith("T web: the command Before[1] failed (exit 3): no such disk\nhint: ")
    said = commands_of(told)
    assert list(said) == ["Before[0]", "Before[1]", "After[0]", "OnFailure[0]", "OnFailure[1]"]
    assert said["Before[1]"] == (3, ["ready", "no such disk"])
    assert said["OnFailure[0]"][1] == ["failed: target web: the command Before[1] failed (exit 3): no such disk"]
    assert "warning: target web: the command OnFailure[1] failed (exit 5)" in said_of(told)
    assert (ends(told)["verify"], told["archive"], told["verdict"]) == ("done", None, "clean")
    assert row(done, "mail")["outcome"] == "done"
    config = config_of(world, "web", After=["exit 4", "echo second"])
    done = world.run("--json", config=config)
    told = row(done, "web")
    assert (done.returncode, told["archive"] is None) == (2, False), "the archive is whole, and yet the target failed"
    assert commands_of(told) == {"After[0]": (4, []), "After[1]": (0, ["second"])}
    assert {"prune", "compact"} & ends(told).keys() == set()


@pytest.mark.parametrize("trap", [":", pytest.param("trap '' TERM", marks=pytest.mark.slow)])
def test_a_command_that_hangs_costs_its_own_row_only_and_ends_with_all_that_it_started(world, trap):
    hang = f"sleep 9543211 & {trap}; while :; do sleep 9543222; done"
    told = config_of(world, "web", "mail", Before=[hang], After=["echo $BORGPULL_OUTCOME"], Timeout="6s")
    done = world.run("--json", config=told)
    assert done.returncode == 2, done.stderr
    web = row(done, "web")
    assert said_of(web).startswith(
        "T web: the target was not done within 6 s in all (Timeout); it came as far as before"
    )
    assert commands_of(web) == {"Before[0]": (None, []), "After[0]": (0, ["interrupted"])}
    assert row(done, "mail")["outcome"] == "done"
    assert processes.mentioning("9543211") + processes.mentioning("9543222") == []
    assert world.leftovers() == []


def test_a_run_that_is_stopped_runs_after_and_ends(world, tmp_path):
    web = world.target("web")
    (web.source / "long").write_bytes(os.urandom(60_000_000))
    put_back = tmp_path / "put back"
    after = {"After": [f"sleep 1; echo $BORGPULL_OUTCOME >'{put_back}'"], "OnFailure": ["exit 1"]}
    config = config_of(world, "web", UploadRateLimit="8M", **after)
    run = Run(world, config, tmp_path)
    run.until(lambda: run.has("archive_progress"))
    run.process.send_signal(signal.SIGINT)
    assert run.end().returncode == 130
    (web.source / "long").unlink()
    assert put_back.read_text() == "interrupted\n"
    assert [e["command"] for e in run.events() if e["event"] == "command_finished"] == ["After[0]"]
    assert world.leftovers() == []


@pytest.mark.slow
def test_on_failure_runs_when_the_last_attempt_has_failed_and_not_before(world):
    borg = script(world.target("web").host.directory / "broken-borg", "sleep 1; kill -9 $PPID; exit 2\n")
    config = config_of(world, "web", retries=1, BorgPath=borg, After=["echo put back"], OnFailure=["echo gave up"])
    told = row(world.run("--json", config=config), "web")
    assert told["outcome"] == "failed"
    said = [each["command"] for each in told["commands"]]
    assert said == ["After[0]"] * (len(told["retries"]) + 1) + ["OnFailure[0]"]


@pytest.mark.slow
def test_a_daemon_that_a_command_starts_keeps_nobody_waiting(world, tmp_path):
    pid = tmp_path / "pid"
    config = config_of(world, "web", Before=[f"sleep 9543233 & echo $! >'{pid}'"], After=[f"kill $(cat '{pid}')"])
    done = world.run("--json", config=config)
    assert done.returncode == 0, done.stderr
    until(lambda: processes.mentioning("9543233") == [])
