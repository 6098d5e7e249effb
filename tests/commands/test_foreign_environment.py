"""A target and a backup server whose sessions bring an environment and shell options of their own: all goes as ever."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Spot
from support import World, loopback_world, secrets_of
from support.reading import config_of, row, said_of, script
from support.shims import SILENT

# What a hardened host may export, and what somebody may leave in an environment.
OPTIONS = "allexport:errexit:keyword:noclobber:noglob:nounset:pipefail:xtrace"


def foreign(folder: Path) -> str:
    """Return the sshd line that gives each session a bash as its `sh`, and an environment that is not ours."""
    (folder / "sh").symlink_to(shutil.which("bash"))
    (folder / "logging").write_text(SILENT)
    settings = {
        "PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin",
        "SHELLOPTS": OPTIONS,
        "BASHOPTS": "failglob:nocasematch",
        "TMOUT": "1",
        "CDPATH": "/usr",
        "GREP_OPTIONS": "-v",
        "TAR_OPTIONS": "--one",
        "QUOTING_STYLE": "c",
        "POSIXLY_CORRECT": "1",
        "BORG_LOGGING_CONF": str(folder / "logging"),
        "BORG_REPO": "/nowhere",
        "BORG_PASSPHRASE": "wrong",
        "BORG_EXIT_CODES": "modern",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "BORG_SHOW_SYSINFO": "yes",
    }
    words = " ".join(f"{name}={value}" for name, value in settings.items())
    return f'ForceCommand exec env {words} {folder}/sh -c "$SSH_ORIGINAL_COMMAND"'


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    line = (foreign(tmp_path_factory.mktemp("bin")),)
    with loopback_world([Spot(name="web", sshd_lines=line)], server=Spot(name="B", sshd_lines=line)) as made:
        yield made


def test_a_backup_with_commands_and_a_stream_and_its_restore(world):
    web = world.target("web")
    seen = web.host.directory / "seen"
    config = config_of(
        world,
        "web",
        Before=["sleep 2.5; echo ready"],
        After=[f"sleep 1.5; env >{seen}; echo $TAR_OPTIONS $CDPATH"],
        Streams=[{"Name": "db.sql", "Command": "sleep 2.5; echo $TAR_OPTIONS $CDPATH"}],
        UploadRateLimit="4M",
    )
    (web.source / "long").write_bytes(os.urandom(16_000_000))
    config["Borg"]["CheckEvery"] = "always"
    doctor = world.run("doctor", config=config)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    done = world.run("--json", "-v", config=config)
    told = row(done, "web")
    assert done.returncode == 0, done.stderr
    said = {each["command"]: each["output"] for each in told["commands"]}
    assert [said["Before[0]"][-1], said["After[0]"][-1]] == ["ready", "--one /usr"]
    assert [each for each in secrets_of(world.lab) if each.decode() in done.stdout + done.stderr] == []
    stream = told["streams"][0]["archive"]["name"]
    assert world.lab.borg(web, "extract", "--stdout", f"::{stream}") == b"--one /usr\n"
    assert "\nTMOUT=" not in seen.read_text()
    back = web.host.directory / "back"
    restored = world.run("restore", "web", "latest", "--onto-target", "--to", str(back), "--verify", config=config)
    assert restored.returncode == 0, restored.stderr
    copied = back / web.source.relative_to("/") / "long"
    assert copied.read_bytes() == (web.source / "long").read_bytes()
    assert world.run("status", config=config).returncode == 0
    assert world.leftovers() == []


def test_a_lost_source_path_is_no_good_backup(world):
    web = world.target("web")
    lost = web.source.parent / "lost"
    lost.mkdir()
    # It goes after the preflight: borg alone notices.
    borg = script(web.host.directory / "borg", f'rmdir {lost} 2>/dev/null\nexec borg "$@"\n')
    config = config_of(world, "web", BorgPath=borg, SourcePaths=[str(web.source), str(lost)], Transport="stdio")
    done = world.run("--json", config=config)
    assert done.returncode == 2, done.stderr
    assert "a source path could not be read" in said_of(row(done, "web"))
