"""Where nobody sits in front of it: cron, a systemd service, a container. The real command, as each of them starts it.

One target is good and bears a name of other scripts; each of the others fails in its own way.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from support import ROOT, Result, World, loopback_world
from support.reading import entry, events, move, nobody_listens, only, row, script, until
from support.terminal import Terminal

GOOD = "gööd 備份"
SOURCE = "odd names/naïve 日本語 🐢"
FAILING = {
    "nobody": ("the connection was refused", "check Host and its port"),
    "other-key": ("it refused the key", "check Username and PrivateKey"),
    "no-borg": ("borg is not installed there (/nowhere/borg)", "apt install borgbackup"),
    "fehlt ü": ("missing, or hidden from this user: /nowhere/日本 ü", "remove it from SourcePaths"),
}
# What Python makes of a locale that is not UTF-8, since it takes C and POSIX for UTF-8.
NOT_UTF_8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.+?): .")
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def manned() -> Iterator[World]:
    """B, and a target for each of the cases."""
    with loopback_world(["good", "nobody", "other-key", "no-borg", "missing"], check_every="") as world:
        yield world


def config_of(world: World) -> dict:
    config = world.lab.config()
    config["Borg"]["Retries"] = 0
    good = world.target("good")
    entry(config, "good")["SourcePaths"] = [f"{good.source}/{SOURCE}"]
    move(config, "nobody", nobody_listens(), good.host.host_key.public)
    entry(config, "other-key")["Connection"]["PrivateKey"] = good.host.key.private
    entry(config, "no-borg")["BorgPath"] = "/nowhere/borg"
    entry(config, "missing")["SourcePaths"] = ["/nowhere/日本 ü"]
    entry(config, "good")["Name"], entry(config, "missing")["Name"] = GOOD, "fehlt ü"
    return config


def bare(world: World, **more: str) -> dict[str, str]:
    """Return the environment that cron gives: no TERM, no LANG, nothing of a login."""
    home = world.lab.directory / "home"
    home.mkdir(exist_ok=True)
    ours = {name: os.environ[name] for name in ["PYTHONPATH"] if name in os.environ}
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"} | ours | more


def file_of(world: World, config: dict) -> Path:
    path = world.memory / "config.toml"
    path.write_text(world.lab.config_text(config))
    return path


def piped(world: World, config: dict, *arguments: str, **env: str) -> Result:
    """Run it as cron does: the config a file on stdin, all that it says into pipes."""
    argv = world.on_controller(sys.executable, "-m", "borgpull", *arguments)
    with file_of(world, config).open() as stdin:
        done = subprocess.run(
            argv, env=bare(world, **env), cwd="/", stdin=stdin, capture_output=True, check=False, timeout=120
        )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def serviced(world: World, config: dict, *arguments: str) -> str:
    """Run it as systemd does: both outputs one socket of the journal. Return all that arrived there."""
    ours, journal = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    seen = os.fstat(journal.fileno())
    argv = world.on_controller(sys.executable, "-m", "borgpull", *arguments, "--config", str(file_of(world, config)))
    env = bare(world, JOURNAL_STREAM=f"{seen.st_dev}:{seen.st_ino}", LANG="C.UTF-8", INVOCATION_ID="0" * 32)
    with (
        ours,
        subprocess.Popen(argv, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=journal, stderr=journal) as run,
    ):
        journal.close()
        ours.settimeout(120)
        said = b"".join(iter(lambda: ours.recv(65536), b""))
        assert run.wait(30) == 2
    return said.decode()


def told(text: str) -> list[tuple[str, str]]:
    """Return who and what each line is about, once it is certain that all of them are whole lines for a log."""
    assert text.endswith("\n")
    assert [letter for letter in text if not letter.isprintable() and letter != "\n"] == []
    lines = text.splitlines()
    assert [line for line in lines if not LINE.match(line)] == []
    return [tuple(line.split("Z ", 1)[1].split(": ", 1)) for line in lines]


def assert_each_failure_has_its_hint(lines: list[tuple[str, str]]) -> None:
    for name, (cause, hint) in FAILING.items():
        at = next(
            n for n, (who, what) in enumerate(lines) if who == name and what.startswith(f"error: target {name}: ")
        )
        assert cause in lines[at][1]
        assert lines[at + 1][0] == name
        assert lines[at + 1][1].startswith("hint: ")
        assert hint in lines[at + 1][1]


@pytest.fixture(scope="module")
def cron(manned) -> tuple[Result, list[dict]]:
    """What a cron job said, and its events."""
    place = manned.memory / "évents"
    result = piped(manned, config_of(manned), "--json", "--events", str(place))
    return result, events(place)


def test_a_cron_job_says_whole_lines_with_their_time_and_their_target(cron):
    result, _ = cron
    assert result.returncode == 2, result.stderr
    lines = told(result.stderr)
    assert {who for who, _ in lines} == {"run", GOOD, *FAILING}
    assert (GOOD, "check: done") in lines
    assert lines[-1][1].startswith("5 targets: 1 done, 4 failed, ")
    assert_each_failure_has_its_hint(lines)


def test_the_report_of_a_cron_job_is_as_published_and_names_are_whole(cron):
    result, _ = cron
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(result.stdout))
    assert row(result, GOOD)["outcome"] == "done"
    assert "/nowhere/日本 ü" in row(result, "fehlt ü")["errors"][0]["cause"]
    assert all(row(result, name)["errors"][0]["hint"] for name in FAILING)


def test_the_events_of_a_cron_job_tell_it_from_its_first_to_its_last(cron):
    _, seen = cron
    assert [seen[0]["event"], seen[-1]["event"]] == ["run_started", "run_finished"]
    assert {each["target"] for each in seen if each["event"] == "target_finished"} == {GOOD, *FAILING}
    assert {each["schema"] for each in seen} == {1}


def test_a_service_writes_the_same_into_the_journal_and_v_adds_what_borg_and_ssh_said(manned):
    config = config_of(manned)
    config["Borg"]["Server"]["BorgPath"] = "/nowhere/borg"
    lines = told(serviced(manned, config, "-v"))
    assert_each_failure_has_its_hint(lines)
    said = [(who, *what.split(" said: ")) for who, what in lines if " said: " in what]
    assert (GOOD, "borg on the backup server", "env: '/nowhere/borg': No such file or directory") in said
    assert (GOOD, "borg on the controller", "Connection closed by remote host. Is borg working on the server?") in said
    assert [(party, text[-18:]) for who, party, text in said if who == "nobody"] == [
        ("ssh to target nobody", "Connection refused")
    ], "once, and not once more when it fails"


def test_a_quiet_run_of_a_good_target_says_nothing_and_no_locale_changes_what_is_backed_up(manned):
    result = piped(manned, only(config_of(manned), GOOD), "--quiet", "--json", **NOT_UTF_8)
    assert (result.returncode, result.stderr) == (0, "")
    target = manned.target("good")
    listed = manned.lab.borg(target, "list", "--short", f"::{row(result, GOOD)['archive']['name']}")
    assert f"{target.source}/{SOURCE}".lstrip("/") in listed.decode().splitlines()
    assert manned.leftovers() == []


def test_a_quiet_run_says_what_went_wrong_and_nothing_else_in_any_locale(manned):
    result = piped(manned, only(config_of(manned), *FAILING), "--quiet", "--json", **NOT_UTF_8)
    assert result.returncode == 2
    assert result.stderr.isascii()
    lines = told(result.stderr)
    assert [who for who, _ in lines[::2]] == [who for who, _ in lines[1::2]]
    assert {who for who, _ in lines} == {"nobody", "other-key", "no-borg", "fehlt ?"}
    assert [what.partition(": ")[0] for _, what in lines] == ["error", "hint"] * len(FAILING)
    assert "/nowhere/日本 ü" in row(result, "fehlt ü")["errors"][0]["cause"]


COLOUR = re.compile(r"\x1b\[[0-9;]*?\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m")
CODE = re.compile(r"\x1b\[[^@-~]*[@-~]")


def in_terminal(world: World, **env: str) -> str:
    argv = world.on_controller(sys.executable, "-m", "borgpull")
    with Terminal(argv, env=bare(world, **env), columns=100) as terminal:
        terminal.process.stdin.write(world.lab.config_text(only(config_of(world), "nobody")).encode())
        terminal.process.stdin.close()
        assert terminal.ended() == 2
        assert terminal.is_whole()
        return terminal.raw.decode()


def test_a_dumb_terminal_gets_lines(manned):
    lines = told(in_terminal(manned, TERM="dumb").replace("\r\n", "\n"))
    assert ("nobody", "connect: failed") in lines


def test_no_color_takes_the_colour_and_leaves_the_table(manned):
    plain, coloured = in_terminal(manned, TERM="xterm", NO_COLOR="1"), in_terminal(manned, TERM="xterm")
    for text in (plain, coloured):
        assert "\x1b[?25l" in text, "the table hides the cursor"
        assert "error:" in text
    assert COLOUR.search(coloured)
    assert not COLOUR.search(plain)


@pytest.mark.parametrize(("more", "has_colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_force_color_colours_a_pipe_and_moves_nothing(manned, more, has_colour):
    result = piped(manned, only(config_of(manned), "nobody"), FORCE_COLOR="1", TERM="dumb", **more)
    codes = CODE.findall(result.stderr)
    assert bool(codes) == has_colour
    assert all(code.endswith("m") for code in codes)
    assert ("nobody", "hint: check Host and its port, and that sshd runs there") in told(CODE.sub("", result.stderr))


def test_a_full_disk_takes_the_events_and_not_the_run(manned):
    result = piped(manned, only(config_of(manned), "nobody"), "--events", "/dev/full")
    assert result.returncode == 2
    lines = told(result.stderr)
    assert ("run", "warning: --events /dev/full: No space left on device: no more events are written to it") in lines
    assert ("nobody", "connect: failed") in lines


def test_a_report_that_nobody_takes_is_an_error_in_words(manned):
    argv = manned.on_controller(sys.executable, "-m", "borgpull", "--json", "--quiet")
    with file_of(manned, only(config_of(manned), "nobody")).open() as stdin, Path("/dev/full").open("w") as full:
        done = subprocess.run(argv, env=bare(manned), stdin=stdin, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-2:] == [
        "error: controller: could not write to standard output: No space left on device",
        "hint: everything else completed; check the reading program, or the disk it is redirected to",
    ]


HANGING = """\
while [ ! -e {0} ]; do sleep 0.2; done
exec borg "$@"
"""


@pytest.mark.slow
def test_a_run_that_is_stuck_says_so_each_minute_and_goes_on_when_it_can(manned, tmp_path):
    config = only(config_of(manned), GOOD)
    free = tmp_path / "free"
    borg = manned.target("good").host.directory / "hanging"
    config["Servers"][0]["BorgPath"] = script(borg, HANGING.format(free))
    argv = manned.on_controller(sys.executable, "-m", "borgpull")
    log = tmp_path / "log"
    with (
        file_of(manned, config).open() as stdin,
        log.open("wb") as out,
        subprocess.Popen(argv, env=bare(manned), stdin=stdin, stdout=out, stderr=out) as run,
    ):
        until(lambda: log.read_text().count("running: ") == 2, process=run, seconds=180)
        free.touch()
        assert run.wait(120) == 0, log.read_text()
    beats = [what for who, what in told(log.read_text()) if who == "run" and what.startswith("running: ")]
    assert re.fullmatch(rf"running: {GOOD} create for \d+s", beats[0]), beats
    assert re.fullmatch(rf"running: {GOOD} create for [12]m\d\ds \(no news for [12]m\d\ds\)", beats[1]), beats
