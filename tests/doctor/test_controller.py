"""What C lacks is found one by one; where swap or core dumps could write keys to a disk, that is said."""

import shutil
from pathlib import Path

import pytest

from borgpull.doctor import Checks, can_go_on, check_controller, controller
from borgpull.errors import CONTROLLER, Failure
from borgpull.results import Mark

PROGRAMS = ("ssh", "ssh-keygen", "borg", "socat")


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """The programs that C needs, in the one folder of its PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for program in (*PROGRAMS, "sh"):
        (folder / program).symlink_to(Path(shutil.which(program)).resolve())
    monkeypatch.setenv("PATH", str(folder))
    return folder


def found(tmp_path, *, memory=None, cache=None):
    findings = check_controller(memory=memory or tmp_path, cache=cache or tmp_path / "made" / "later")
    return {finding.what: finding for finding in findings}, can_go_on(findings)


def replaced(programs: Path, program: str, text: str) -> None:
    (programs / program).unlink()
    if text:
        (programs / program).write_text(f"#!{programs}/sh\n{text}\n")
        (programs / program).chmod(0o755)


def test_a_machine_that_has_what_it_needs(programs, tmp_path):
    rows, on = found(tmp_path)
    assert on
    needed = ("python", "borgpull", "ssh", "borg", "socat", "keys", "cache")
    assert [what for what in needed if rows[what].mark is not Mark.OK or not rows[what].detail] == []
    assert not (tmp_path / "made").exists(), "the cache folder is made by a run, not by a look"


@pytest.mark.parametrize(
    ("program", "text", "row", "words", "on"),
    [
        ("ssh", "", "ssh", "apt install openssh-client", False),
        ("ssh", "echo OpenSSH_7.9p1 >&2", "ssh", "too old: OpenSSH_7.9p1", False),
        ("ssh", "echo Dropbear v2022.83 >&2", "ssh", "not OpenSSH: Dropbear", False),
        ("ssh-keygen", "", "ssh", "ssh-keygen is not installed", False),
        ("borg", "", "borg", "apt install borgbackup", True),
        ("borg", "echo borg 1.1.18", "borg", "1.1.18 is too old", True),
        ("borg", "echo borg 2.0.0b22", "borg", "another kind of repository", True),
        ("socat", "", "socat", "apt install socat", True),
    ],
)
def test_a_program_that_is_missing_or_too_old(programs, tmp_path, program, text, row, words, on):
    replaced(programs, program, text)
    rows, goes_on = found(tmp_path)
    assert rows[row].mark is Mark.FAILED
    assert words in f"{rows[row].detail} {rows[row].hint}"
    assert goes_on is on
    assert [what for what, finding in rows.items() if finding.mark is Mark.FAILED] == [row]


def test_no_memory_for_the_keys(programs, tmp_path):
    failure = Failure(CONTROLLER, "no folder in memory", hint="mount one")
    rows, on = found(tmp_path, memory=failure)
    assert (rows["keys"].mark, rows["keys"].detail, rows["keys"].hint) == (
        Mark.FAILED,
        "no folder in memory",
        "mount one",
    )
    assert not on


def test_a_cache_that_cannot_be_made(programs, tmp_path):
    (tmp_path / "file").write_text("")
    rows, on = found(tmp_path, cache=tmp_path / "file" / "cache")
    assert (rows["cache"].mark, rows["cache"].hint) == (Mark.FAILED, "give another --cache-dir")
    assert on


def test_core_dumps_are_asked_of_the_kernel(programs, tmp_path):
    rows, _ = found(tmp_path)
    assert rows["core dumps"].mark is Mark.WARNING, "nobody has switched them off in this process"


@pytest.mark.parametrize(
    ("pattern", "mark"),
    [
        ("core\n", Mark.OK),
        ("|/usr/share/apport/apport %p\n", Mark.WARNING),
        ("|/usr/lib/systemd/systemd-coredump %P\n", Mark.OK),
        ("", Mark.NOTE),
    ],
)
def test_a_program_that_takes_core_dumps_whatever_the_limit(monkeypatch, pattern, mark):
    monkeypatch.setattr("borgpull.runtime_dir.is_hardened", lambda: True)
    checks = Checks(CONTROLLER, ("core dumps",))
    controller.check_core_dumps(checks, pattern)
    assert checks.findings[0].mark is mark
    assert ("apport" in checks.findings[0].detail) == (mark is Mark.WARNING)


HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


@pytest.mark.parametrize(
    ("swaps", "mark", "words"),
    [
        ("", Mark.OK, "none"),
        (HEAD, Mark.OK, "none"),
        (f"{HEAD}/dev/zram0  partition\t8 0 100\n", Mark.OK, "none"),
        (f"{HEAD}/dev/zram0 partition 8 0 100\n/dev/sda2  partition\t8 0 -2\n", Mark.NOTE, "written to /dev/sda2,"),
        (f"{HEAD}/my\\040swap file\t8 0 -2\n", Mark.NOTE, "written to /my swap,"),
    ],
)
def test_swap_that_keys_may_be_written_to_is_named(swaps, mark, words):
    checks = Checks(CONTROLLER, ("swap",))
    controller.check_swap(checks, swaps)
    assert checks.findings[0].mark is mark
    assert words in checks.findings[0].detail
