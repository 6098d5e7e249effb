"""A hardened target, a hardened backup server, and both: all that borgpull does goes there as it does elsewhere."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.trees import differences
from support import Result, found_on_disk, secrets_of
from support.following import Run
from support.hardened import BOTH, LOGINS, NOISE, PAUSE, TMOUT, Hardened, cut, hardened_world
from support.reading import row, said_of, until

WORLDS = [
    BOTH,
    pytest.param(("web",), marks=pytest.mark.slow),
    pytest.param(("B",), marks=pytest.mark.slow),
]
STREAM = {"Name": "db.sql", "Command": f"sleep {PAUSE}; echo dumped by $(id -un)"}
LONG = {
    "Before": [f"sleep {PAUSE}; echo ready"],
    "After": [f"sleep {PAUSE}; echo $BORGPULL_OUTCOME"],
    "OnFailure": [f"sleep {PAUSE}; echo gave up"],
    "Streams": [STREAM],
    # The long file takes about two seconds.
    "UploadRateLimit": "3M",
}


@dataclass(frozen=True)
class Story:
    """A world, and how its first run ended."""

    hardened: Hardened
    first: Result


@pytest.fixture(scope="module", params=WORLDS, ids="-".join)
def story(request) -> Iterator[Story]:
    with hardened_world(*request.param) as hardened:
        (hardened.world.target("web").source / "long").write_bytes(os.urandom(6_000_000))
        yield Story(hardened, hardened.world.run("--json", "-v", config=hardened.config(**LONG)))


@pytest.fixture
def hardened(story) -> Hardened:
    """A world in which there is a backup."""
    assert story.first.returncode == 0, story.first.stderr
    return story.hardened


# What a session says of its host. SHELLOPTS brings errexit: what may fail comes last.
ASK = """
sh -c 'echo "sh is bash ${BASH_VERSION%%.*}"'
env
umask
cat /proc/self/mounts
echo "sees $(ls -d /proc/[0-9]* | tr '\\n' ' ')"
printf '#!/bin/sh\necho executed\n' >/tmp/x; chmod 755 /tmp/x; /tmp/x || echo not executed; rm /tmp/x
cat /proc/1/comm || echo hidden
"""


def test_the_hosts_are_what_they_are_said_to_be_and_this_machine_is_not(hardened):
    for name in hardened.names:
        said = hardened.asked(name, ASK).splitlines()
        wanted = {
            f"TMOUT={TMOUT}",
            "SHELLOPTS=braceexpand:errexit:hashall:interactive-comments:noclobber",
            *("BORG_LOGGING_CONF=/nonexistent", "BORG_PASSCOMMAND=false", "LC_ALL=xx_XX.UTF-8"),
            *("0077", "not executed", "hidden"),
        }
        assert wanted - set(said) == set(), said
        assert any(line.endswith("sh is bash 5") for line in said), said
        assert any(line.startswith("proc /proc ") and "hidepid=invisible" in line for line in said), said
        (seen,) = (line for line in said if line.startswith("sees "))
        assert f"/proc/{hardened.world.lab.host(name).pid} " not in seen
        assert ("Welcome. You have mail." in said) == (name == "web")
    own = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    assert [each for each in own if each[1] == "/proc" and "hidepid" in each[3]] == []
    assert str(hardened.place) not in Path("/etc/passwd").read_text()


def test_doctor_finds_nothing_that_is_in_the_way(hardened):
    done = hardened.world.run("doctor", "--json", config=hardened.config(**LONG))
    assert done.returncode == 0, done.stdout
    told = [each for each in json.loads(done.stdout)["findings"] if each["mark"] not in ("ok", "skipped")]
    expected = ["transport"] if "web" in hardened.names else []
    assert [each["what"] for each in told] == expected, told


def test_what_takes_longer_than_the_shell_waits_comes_to_its_end(story, tmp_path):
    told, hardened = row(story.first, "web"), story.hardened
    assert story.first.returncode == 0, said_of(told)
    said = {each["command"]: each["output"] for each in told["commands"]}
    assert (said["Before[0]"][-1], said["After[0]"][-1]) == ("ready", "done")
    took = {step["step"]: step["duration"] for step in told["steps"]}
    assert took["create"] > TMOUT, "it was too quick to show anything"
    world, target = hardened.world, hardened.world.target("web")
    user = LOGINS["web"][0] if "web" in hardened.names else "root"
    stream = told["streams"][0]["archive"]["name"]
    assert world.lab.borg(target, "extract", "--stdout", f"::{stream}").decode() == f"dumped by {user}\n"
    assert differences(target.source, world.lab.extracted(target, told["archive"]["name"], tmp_path)) == []
    assert [each for each in secrets_of(world.lab) if each.decode() in story.first.stdout + story.first.stderr] == []
    assert found_on_disk([target.passphrase.encode()], [hardened.place]) == []
    assert hardened.leftovers() == []


def test_the_next_backup_can_be_read_back_and_goes_back_onto_the_target(hardened):
    world, target = hardened.world, hardened.world.target("web")
    (target.source / "new").write_text("new")
    config = hardened.config(BorgPath=hardened.slow("extract"))
    second = world.run("--json", config=config)
    assert second.returncode == 0, said_of(row(second, "web"))
    drilled = world.run("drill", config=config)
    assert drilled.returncode == 0, drilled.stdout
    content = (target.source / "long").read_bytes()
    (target.source / "long").write_bytes(b"lost")
    onto = ("restore", "--onto-target", "--overwrite", "web", "latest", str(target.source / "long"))
    there = world.run(*onto, config=config)
    # Root's borg warns that it could not log as /etc/environment says, and nothing keeps that setting from it.
    warned = [line for line in there.stderr.splitlines() if "warning: " in line]
    assert all("setup_logging for" in line for line in warned), there.stderr
    expected = 1 if "web" in hardened.names else 0
    assert (there.returncode, len(warned)) == (expected, expected), there.stderr
    assert (target.source / "long").read_bytes() == content
    assert hardened.leftovers() == []


@pytest.mark.slow
def test_what_there_is_can_be_seen_and_is_restored_to_the_controller(hardened, tmp_path):
    world, target, config = hardened.world, hardened.world.target("web"), hardened.config()
    (target.source / "seen").write_text("seen")
    assert world.run("-q", config=config).returncode == 0
    assert world.run("status", config=config).returncode == 0
    listed = world.run("list", "web", "latest", config=config)
    assert "source/seen" in listed.stdout, listed.stderr
    restored = world.run("restore", "web", "latest", "--to", str(tmp_path / "here"), config=config)
    assert restored.returncode == 0, restored.stderr
    assert differences(target.source, tmp_path / "here" / target.source.relative_to("/")) == []
    assert hardened.leftovers() == []


@pytest.mark.slow
def test_on_failure_runs_to_its_end_too(hardened):
    config = hardened.config(**LONG | {"Before": ["echo no disk; exit 3"], "After": []})
    done = hardened.world.run("--json", config=config)
    told = row(done, "web")
    assert done.returncode == 2, done.stderr
    assert said_of(told).startswith("T web: the command Before[0] failed (exit 3): no disk"), said_of(told)
    (failed,) = (each for each in told["commands"] if each["command"] == "OnFailure[0]")
    assert (failed["status"], failed["output"][-1]) == (0, "gave up")
    assert hardened.leftovers() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_a_link_that_is_cut_is_made_anew_and_the_backup_is_whole(hardened, name, tmp_path):
    world, target = hardened.world, hardened.world.target("web")
    (target.source / "long").write_bytes(os.urandom(8_000_000))
    run = Run(world, hardened.config(UploadRateLimit="3M"), tmp_path, "--json")
    run.until(lambda: any(e.get("original_size", 0) > 2_000_000 for e in run.events()))
    cut(world.lab.host(name))
    done = run.end()
    told = row(done, "web")
    assert (run.accusations(), told["verdict"]) == ([], "clean"), done.stderr
    assert (done.returncode, len(told["retries"])) == (0, 1), said_of(told)
    assert differences(target.source, world.lab.extracted(target, told["archive"]["name"], tmp_path)) == []
    assert hardened.leftovers() == []


def test_what_the_session_of_a_target_deletes_is_noticed_and_put_back(hardened):
    world, target = hardened.world, hardened.world.target("web")
    before = world.lab.archives(target)
    attacking = hardened.attacking("delete_archive")
    hardened.allow("/usr/bin/borg", attacking)
    found = world.run("--json", config=hardened.config(BorgPath=attacking))
    assert found.returncode == 3, said_of(row(found, "web"))
    # The borg of the lab has seen a newer state by then.
    shutil.rmtree(world.lab.directory / "onlooker")
    assert before[0] not in world.lab.archives(target)
    assert world.run("-q", config=hardened.config()).returncode == 3
    back = world.run("rollback", "web", "--yes", config=hardened.config())
    assert back.returncode == 0, back.stderr
    shutil.rmtree(world.lab.directory / "onlooker")
    assert world.lab.archives(target) == before
    again = world.run("--json", config=hardened.config())
    assert again.returncode == 0, said_of(row(again, "web"))
    assert hardened.leftovers() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_a_link_that_falls_silent_leaves_nothing_behind(name, tmp_path):
    with hardened_world(*BOTH) as hardened:
        host = hardened.world.lab.host(name)
        (hardened.world.target("web").source / "long").write_bytes(os.urandom(12_000_000))
        run = Run(hardened.world, hardened.config(UploadRateLimit="1M"), tmp_path)
        run.until(lambda: any(e.get("original_size", 0) > 2_000_000 for e in run.events()))
        # Stopped, they are as good as a cable that was pulled.
        cut(host, how=signal.SIGSTOP)
        run.kill()
        try:
            until(lambda: not hardened.below(name), seconds=150)
        finally:
            cut(host)


@pytest.mark.slow
def test_a_backup_server_whose_shell_prints_is_named_by_doctor_and_by_the_run():
    with hardened_world("B") as hardened:
        with (hardened.place / "B" / "home" / ".bashrc").open("a") as file:
            file.write(NOISE)
        said = hardened.world.run("doctor", "--json", config=hardened.config())
        assert said.returncode == 2
        (cross,) = (each for each in json.loads(said.stdout)["findings"] if each["mark"] == "failed")
        told = row(hardened.world.run("--json", config=hardened.config()), "web")
        cause = "its shell prints something before borg answers"
        assert (cross["detail"], told["errors"][0]["cause"]) == (cause, cause)
        assert cross["hint"] == told["errors"][0]["hint"]


@pytest.mark.slow
def test_a_passphrase_command_that_reaches_roots_borg_is_named():
    with hardened_world("web") as hardened:
        hardened.tell_sudo(BORG_PASSCOMMAND="false")
        done = hardened.world.run("--json", config=hardened.config())
        assert done.returncode == 2
        assert "obeys a BORG_PASSCOMMAND of that host" in said_of(row(done, "web"))
