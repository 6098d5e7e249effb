"""A target whose login may run borg as root, through sudo, and nothing else: from the line in sudoers to a restore."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import processes
from lab.trees import differences
from support import LOGIN, Result, Sudoing, borg_14, found_on_disk, secrets_of, sudoing_world, watching_for
from support.reading import ends, entry, events, row, said_of, script, until
from support.shims import SILENT

LINE = f"{LOGIN} ALL=(root) NOPASSWD: NOLOG_INPUT: /usr/bin/borg"
# Six files of a size that takes a second or two at this rate.
RATE = "8M"
DEADLINE = 150


@dataclass(frozen=True)
class Story:
    """Runs one after the other: before sudo lets borg run, one that is interrupted, and one that comes to its end."""

    sudoing: Sudoing
    refused: Result
    interrupted: Result
    checkpoints: list[str]
    left: list[str]
    done: Result


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Iterator[Story]:
    with sudoing_world() as sudoing:
        world, target = sudoing.world, sudoing.target
        for number in range(6):
            (target.source / f"large {number}").write_bytes(os.urandom(2_000_000))
        refused = world.run("--json", config=sudoing.config())
        sudoing.allow(LINE)
        interrupted = stopped(sudoing, tmp_path_factory.mktemp("told") / "events", UploadRateLimit=RATE)
        checkpoints = world.lab.borg(target, "list", "--consider-checkpoints", "--short").decode().split()
        left = world.leftovers()
        done = world.run("--json", "-v", config=sudoing.config())
        yield Story(sudoing, refused, interrupted, checkpoints, left, done)


def stopped(sudoing: Sudoing, told: Path, **options) -> Result:
    """Start a run, and stop it as Ctrl-C does when a part of the files was sent."""
    config = sudoing.world.memory / "config.toml"
    config.write_text(sudoing.world.lab.config_text(sudoing.config(**options)))
    with sudoing.world.start("--events", str(told), "--config", str(config)) as run:
        until(lambda: any(e.get("original_size", 0) > 5_000_000 for e in events(told)), process=run)
        run.send_signal(signal.SIGINT)
        stdout, stderr = run.communicate(timeout=DEADLINE)
    return Result(run.returncode, stdout, stderr)


def test_the_line_that_sudo_needs_is_said(story):
    assert story.refused.returncode == 2
    said = said_of(row(story.refused, "web"))
    assert said.startswith(f"T web: sudo does not let {LOGIN} run borg as root there: sudo: a password is required"), (
        said
    )
    assert said.endswith(f"`visudo -f /etc/sudoers.d/borgpull`: {LINE}"), said


@pytest.mark.slow
def test_doctor_says_it_too():
    with sudoing_world() as sudoing:
        result = sudoing.world.run("doctor", "--json", "web", config=sudoing.config())
        assert result.returncode == 2
        crosses = [each for each in json.loads(result.stdout)["findings"] if each["mark"] == "failed"]
        assert [(each["what"], each["hint"].endswith(f": {LINE}")) for each in crosses] == [("borg", True)]
        sudoing.allow(LINE)
        assert sudoing.world.run("doctor", "web", config=sudoing.config()).returncode == 0


def test_an_interrupted_borg_of_root_writes_its_checkpoint_and_leaves_nothing(story):
    assert story.interrupted.returncode == 130, story.interrupted.stderr
    assert [name.endswith(".checkpoint") for name in story.checkpoints] == [True], story.interrupted.stderr
    assert story.left == []


def test_what_root_alone_may_read_is_backed_up_from_the_checkpoint_on(story, tmp_path):
    assert story.done.returncode == 0, story.done.stderr
    world, target, seen = story.sudoing.world, story.sudoing.target, row(story.done, "web")
    assert differences(target.source, world.lab.extracted(target, seen["archive"]["name"], tmp_path)) == []
    assert seen["deduplicated_size"] < 12_000_000 < seen["original_size"]
    assert "passphrase" not in story.done.stderr.lower()
    assert "GetPass" not in story.done.stderr
    assert world.leftovers() == []


@pytest.mark.slow
def test_the_passphrase_is_in_no_argument(story):
    with watching_for(secrets_of(story.sudoing.world.lab)) as seen:
        result = story.sudoing.world.run(config=story.sudoing.config())
    assert result.returncode == 0, result.stderr
    assert seen.leaks == set()
    assert "sudo" in seen.programs, "the watch did not look closely enough"


@pytest.mark.slow
def test_the_cache_is_roots_and_its_borg_takes_what_a_rollback_put_back(story):
    assert list((story.sudoing.home / ".cache" / "borg").glob("*/chunks")) != []
    world, config = story.sudoing.world, story.sudoing.config()
    config["Borg"]["PruneSetting"] = "--keep-last 1"
    for _ in range(2):
        assert world.run("-q", config=config).returncode == 0
    listed = world.run("rollback", "web", "--list", config=config).stdout.splitlines()
    back = world.run("rollback", "web", "--to", listed[0].split("  ")[0], "--yes", config=config)
    assert back.returncode == 0, back.stderr
    assert world.run("-q", config=config).returncode == 0


@pytest.mark.slow
def test_a_source_that_is_surely_missing_is_told_from_one_that_root_alone_may_see(story):
    target = story.sudoing.target
    config = story.sudoing.config()
    entry(config, "web")["SourcePaths"] = [f"{target.source}/kinds", "/nowhere/at all"]
    missing = story.sudoing.world.run("--json", config=config)
    assert missing.returncode == 2
    assert said_of(row(missing, "web")).startswith("T web: missing, or hidden from this user: /nowhere/at all\n")
    entry(config, "web")["SourcePaths"] = [f"{target.source}/kinds", f"{target.source}/not there"]
    looked = json.loads(story.sudoing.world.run("doctor", "--json", "web", config=config).stdout)["findings"]
    (sources,) = (each for each in looked if each["what"] == "sources")
    assert (sources["mark"], "only root can see" in sources["detail"]) == ("note", True)
    gone = story.sudoing.world.run("--json", config=config)
    assert gone.returncode == 2
    assert "a source path could not be read" in said_of(row(gone, "web"))


@pytest.mark.slow
def test_a_restore_onto_it_gives_files_back_to_their_owners(story):
    world, target = story.sudoing.world, story.sudoing.target
    config = story.sudoing.config()
    place = target.source / "kinds"
    there = world.run("restore", "--onto-target", "web", "latest", str(place), config=config)
    assert there.returncode == 4
    assert "its user may not see whether" in there.stderr
    wanted = place / "mode 600"
    before = (wanted.read_bytes(), wanted.stat().st_mode, wanted.stat().st_uid)
    wanted.unlink()
    given = ("restore", "--onto-target", "--overwrite", "web", "latest", str(place))
    result = world.run(*given, config=config)
    assert result.returncode == 0, result.stderr
    assert "not root" not in result.stdout + result.stderr
    assert (wanted.read_bytes(), wanted.stat().st_mode, wanted.stat().st_uid) == before
    verified = world.run(*given, "--verify", config=config)
    assert verified.returncode == 4
    assert "may not read what root restores" in verified.stderr
    assert world.leftovers() == []


def borg_of_root(sudoing: Sudoing) -> int:
    """Return the pid of the borg that runs on the target as root."""
    found = [pid for pid in processes.descendants(sudoing.target.host.pid) if is_borg(pid)]
    (pid,) = found
    return pid


def is_borg(pid: int) -> bool:
    words = processes.traces(pid).split(b"\0")
    return len(words) > 2 and b"python" in words[0] and b"create" in words


@pytest.mark.slow
@pytest.mark.parametrize("end", ["the controller is killed", "borg hangs", "the connection is cut"])
def test_however_a_run_ends_early_nothing_is_left_on_the_target(end, tmp_path):
    with sudoing_world() as sudoing:
        sudoing.allow(LINE)
        told, config = tmp_path / "events", sudoing.world.memory / "config.toml"
        for number in range(12):
            (sudoing.target.source / f"large {number:02}").write_bytes(os.urandom(2_000_000))
        said = sudoing.config(UploadRateLimit="1M")
        said["Borg"]["Retries"] = 0
        config.write_text(sudoing.world.lab.config_text(said))
        with sudoing.world.start("--events", str(told), "--config", str(config)) as run:
            until(lambda: any(e.get("original_size", 0) > 9_000_000 for e in events(told)), process=run)
            match end:
                case "the controller is killed":
                    run.kill()
                case "borg hangs":
                    os.kill(borg_of_root(sudoing), signal.SIGSTOP)
                    run.send_signal(signal.SIGINT)
                case _:
                    # Both processes of the connection: that of root, and that of the user.
                    found = processes.descendants(sudoing.target.host.pid)
                    for pid in (pid for pid in found if processes.traces(pid).startswith(b"sshd: ")):
                        os.kill(pid, signal.SIGKILL)
            run.communicate(timeout=DEADLINE)
        left = sudoing.world.leftovers(seconds=60)
        assert [line for line in left if "left: /dev/shm" not in line] == []


@pytest.mark.slow
def test_a_borg_that_begins_when_its_session_is_over_leaves_nothing_on_the_target():
    with sudoing_world() as sudoing:
        place = sudoing.world.lab.directory
        wait = f'case "$*" in *--version*) ;; *) until [ -e {place}/go ]; do sleep 0.05; done ;; esac'
        late = script(place / "borg", f'{wait}\nexec /usr/bin/borg "$@"\n')
        sudoing.allow(LINE.replace("/usr/bin/borg", late))
        target, config = sudoing.target, sudoing.world.memory / "config.toml"
        config.write_text(sudoing.world.lab.config_text(sudoing.config(BorgPath=late)))
        with sudoing.world.start("--config", str(config)) as run:
            until(lambda: list(target.host.temporary.glob("*/life")), process=run)
            run.kill()
            run.communicate(timeout=DEADLINE)
        until(lambda: not list(target.host.temporary.glob("*/life")))
        (place / "go").touch()
        left = sudoing.world.leftovers(seconds=60)
        assert [line for line in left if "left: /dev/shm" not in line] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "options"),
    [
        ((), {"Transport": "stdio"}),
        ((), {"Gate": True, "Nice": 10}),
        (("Defaults !use_pty",), {}),
        (("Defaults log_input, log_output",), {"Gate": True}),
    ],
)
def test_it_goes_by_every_road_and_with_other_rules_of_sudo(rules, options, tmp_path):
    borg = borg_14() if options else "/usr/bin/borg"
    with sudoing_world() as sudoing:
        logs = f"Defaults iolog_dir={tmp_path}, !compress_io"
        sudoing.allow(LINE.replace("/usr/bin/borg", borg), logs, *rules)
        result = sudoing.world.run("--json", config=sudoing.config(BorgPath=borg, **options))
        assert result.returncode == 0, result.stderr
        target = sudoing.target
        assert sudoing.world.lab.archives(target) == [row(result, "web")["archive"]["name"]]
        assert sudoing.world.leftovers() == []
        logged = [place for place in tmp_path.rglob("*") if place.is_file()]
        assert bool(logged) == bool("log_input" in "".join(rules))
        assert found_on_disk([target.passphrase.encode()], [tmp_path]) == []


@pytest.mark.slow
def test_the_command_of_a_stream_is_not_roots():
    with sudoing_world() as sudoing:
        sudoing.allow(LINE)
        config = sudoing.config(Streams=[{"Name": "who", "Command": "id -un"}])
        done = sudoing.world.run("--json", config=config)
        told = row(done, "web")
        assert (done.returncode, [each["name"] for each in told["streams"]]) == (0, ["who"]), done.stderr
        archive = f"::{told['streams'][0]['archive']['name']}"
        assert sudoing.world.lab.borg(sudoing.target, "extract", "--stdout", archive).decode().strip() == LOGIN


@pytest.mark.slow
def test_a_sudo_that_wants_a_terminal_is_told_that_it_shall_not():
    with sudoing_world() as sudoing:
        sudoing.allow(LINE, "Defaults requiretty")
        result = sudoing.world.run("--json", config=sudoing.config())
        assert result.returncode == 2
        way_out = f"Defaults:{LOGIN} !requiretty"
        assert said_of(row(result, "web")).endswith(f": {way_out}")
        sudoing.allow(LINE, "Defaults requiretty", way_out)
        assert sudoing.world.run(config=sudoing.config()).returncode == 0


@pytest.mark.slow
def test_what_to_type_for_a_borg_of_root_after_a_move_is_said():
    with sudoing_world() as sudoing:
        sudoing.allow(LINE)
        world, config = sudoing.world, sudoing.config()
        assert world.run("-q", config=config).returncode == 0
        (world.lab.root / "web").rename(world.lab.root / "moved")
        entry(config, "web")["BorgTarget"] = entry(config, "web")["BorgTarget"] | {"SubDir": "moved"}
        accepted = world.run("accept", "--moved", "web", "--yes", config=config)
        assert accepted.returncode == 0, accepted.stderr
        refused = world.run("--json", config=config)
        assert refused.returncode == 2
        assert "borg knows this repository at another location" in said_of(row(refused, "web"))
        typed = " ".join(accepted.stderr.split()).split("`")[1].replace("~root", str(sudoing.home))
        subprocess.run(["sh", "-c", typed], check=True)
        done = world.run("--json", config=config)
        assert done.returncode == 0, said_of(row(done, "web"))


@pytest.mark.slow
def test_a_damaged_cache_of_roots_is_made_anew_by_roots_borg(story):
    sudoing = story.sudoing
    (cache,) = sudoing.home.glob(".cache/borg/" + "?" * 64)
    (cache / "chunks").write_bytes(b"")
    result = sudoing.world.run("--json", config=sudoing.config())
    assert result.returncode == 0, result.stdout
    assert "its borg cache may be damaged" in result.stdout
    assert (cache / "chunks").stat().st_size > 0


@pytest.mark.parametrize(
    ("version", "status"), [("1.2", 1), pytest.param("1.4", 107, marks=pytest.mark.slow)], ids=["1.2", "1.4"]
)
def test_settings_in_etc_environment_reach_roots_borg_and_its_warnings_still_count(version, status):
    # PAM hands them on, and the line in sudoers allows neither a variable nor `env -u`.
    borg = borg_14() if version == "1.4" else "/usr/bin/borg"
    with sudoing_world() as sudoing:
        sudoing.allow(LINE.replace("/usr/bin/borg", borg))
        place, world = sudoing.home.parent, sudoing.world
        (place / "log").write_text(SILENT)
        (place / "environment").write_text("BORG_EXIT_CODES=modern\n")
        (place / "pam").write_text(f"session required pam_env.so readenv=1\n{Path('/etc/pam.d/sudo').read_text()}")
        for name, over in (("environment", "/etc/environment"), ("pam", "/etc/pam.d/sudo")):
            inside = ["nsenter", f"--target={sudoing.target.host.pid}", "--mount"]
            subprocess.run([*inside, "mount", "--bind", str(place / name), over], check=True)
        paths = [str(sudoing.target.source), str(sudoing.target.source / "gone")]
        told = row(world.run("--json", config=sudoing.config(BorgPath=borg, SourcePaths=paths)), "web")
        assert "T web: a source path could not be read" in said_of(told)
        (place / "environment").write_text(f"BORG_EXIT_CODES=modern\nBORG_LOGGING_CONF={place}/log\n")
        assert world.run(config=sudoing.config(BorgPath=borg)).returncode == 0, "it warned of nothing"
        told = row(world.run("--json", config=sudoing.config(BorgPath=borg, SourcePaths=paths)), "web")
        said = said_of(told)
        assert said.startswith(f"T web: borg failed, or its warning could not be read (exit {status})"), said
        assert "BORG_LOGGING_CONF" in said
        assert ({"prune", "compact"} & ends(told).keys(), told["verdict"]) == (set(), "clean")
