"""The private directory: in memory or nowhere, closed to others, and gone whatever happened."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from borgpull import runtime_dir
from borgpull.errors import Failure

MOUNTS = """\
overlay / overlay rw 0 0
tmpfs /run tmpfs rw,nosuid,nodev,mode=755 0 0
/dev/sda1 /run/disk ext4 rw 0 0
tmpfs /run/disk/again tmpfs rw 0 0
tmpfs /mnt/with\\040space tmpfs rw 0 0
tmpfs /twice tmpfs rw 0 0
/dev/sdb1 /twice ext4 rw 0 0
ramfs /ram ramfs rw 0 0
tmpfs /run2 tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "inside"),
    [
        ("/", False),
        ("/home/user", False),
        ("/run", True),
        ("/run/user/1000", True),
        ("/run/disk", False),
        ("/run/disk/deeper", False),
        ("/run/disk/again/x", True),
        ("/running", False),
        ("/mnt/with space/x", True),
        ("/twice", False),
        ("/ram", True),
    ],
)
def test_memory_is_told_from_a_disk_by_the_mount_that_is_seen(folder, inside):
    assert runtime_dir.in_memory(Path(folder), MOUNTS) is inside


def test_a_link_from_memory_to_a_disk_is_no_memory(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "memory").symlink_to(tmp_path / "disk")
    mounts = f"overlay / overlay rw 0 0\ntmpfs {tmp_path}/memory tmpfs rw 0 0\n"
    assert not runtime_dir.in_memory(tmp_path / "memory", mounts)


def test_it_is_private_in_memory_and_gone_after_a_crash(monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(RuntimeError), runtime_dir.private_directory() as directory:
        assert directory.stat().st_mode & 0o7777 == 0o700
        assert directory.stat().st_uid == os.getuid()
        assert runtime_dir.in_memory(directory, Path("/proc/mounts").read_text())
        (directory / "deep").mkdir()
        (directory / "deep" / "key").write_text("secret")
        raise RuntimeError
    assert not directory.exists()


def test_a_folder_on_a_disk_is_never_used_even_when_the_user_names_it(monkeypatch, disk):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(disk))
    if runtime_dir.in_memory(disk, Path("/proc/mounts").read_text()):
        pytest.skip("/var/tmp is in memory here")
    with runtime_dir.private_directory() as directory:
        assert not directory.is_relative_to(disk)
    assert list(disk.iterdir()) == []


def test_the_folder_that_systemd_makes_for_a_service_comes_first(monkeypatch):
    made = Path("/dev/shm") / f"bptest-{os.getpid()}"
    made.mkdir()
    try:
        monkeypatch.setenv("RUNTIME_DIRECTORY", f"{made}:/run/another")
        with runtime_dir.private_directory() as directory:
            assert directory.parent == made
    finally:
        made.rmdir()


@pytest.mark.parametrize("name", ["with space", "per%cent", "${HOME}", "x" * 60])
def test_a_folder_whose_name_ssh_would_misread_is_not_used(monkeypatch, name):
    # ssh expands % and $ in its paths, and has room for 90 bytes in that of a control socket.
    base = Path("/dev/shm") / f"bptest-{os.getpid()}"
    odd = base / name
    odd.mkdir(parents=True)
    try:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(odd))
        with runtime_dir.private_directory() as directory:
            assert not directory.is_relative_to(odd)
    finally:
        odd.rmdir()
        base.rmdir()


def test_without_a_tmpfs_it_is_said_how_to_get_one(monkeypatch):
    monkeypatch.setattr(runtime_dir, "in_memory", lambda *_: False)
    with pytest.raises(Failure, match="tmpfs") as failed, runtime_dir.private_directory():
        pass
    assert failed.value.party == "controller"
    assert "--tmpfs" in failed.value.hint


def test_a_hardened_process_dumps_no_core_and_makes_private_files(tmp_path):
    # In a process of its own: it cannot be taken back.
    ask = (
        "import ctypes, resource, sys; from pathlib import Path; from borgpull import runtime_dir; "
        "runtime_dir.harden(); "
        "Path(sys.argv[1]).touch(); "
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    made = tmp_path / "made"
    done = subprocess.run([sys.executable, "-c", ask, made], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0) 0"
    assert made.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_run_left_behind_is_removed_by_the_next_and_only_that(monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    script = (
        "import os, signal\nfrom borgpull import runtime_dir\n"
        "with runtime_dir.private_directory() as directory:\n"
        "    (directory / 'key').write_text('secret')\n"
        "    print(directory, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with runtime_dir.private_directory() as in_use:
        killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        left = Path(killed.stdout.strip())
        assert left.is_dir()
        with runtime_dir.private_directory() as third:
            assert not left.exists()
            assert in_use.is_dir()
            assert third.is_dir()


def test_a_folder_that_goes_with_a_logout_comes_last(monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/borgpull")
    for named, first in (("/run/user/0", []), ("/run/lasting", [Path("/run/lasting")])):
        monkeypatch.setenv("XDG_RUNTIME_DIR", named)
        systemd, *others = runtime_dir._candidates()
        assert systemd == Path("/run/borgpull")
        assert others[: len(first) + 2] == [*first, Path("/run"), Path("/dev/shm")]
        assert all(runtime_dir.goes_with_logout(folder) for folder in others[len(first) + 2 :])
        assert not any(runtime_dir.goes_with_logout(folder) for folder in others[: len(first) + 2])
