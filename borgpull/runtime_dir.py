"""The private directory of one run, on a tmpfs, and the hardening of the controller's own process.

Keys, known_hosts and sockets are here and nowhere else; nothing in here ever reaches a disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import re
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import CONTROLLER, Failure, TamperedError, failure_of

PREFIX = "borgpull-"
_MEMORY = {"tmpfs", "ramfs"}
_SAFE = re.compile(r"[A-Za-z0-9._/-]{1,48}")
# The lowest uid of an ordinary user (login.defs(5)); logind spares those below it.
_FIRST_ORDINARY = 1000
DESCRIPTORS = "raise the hard limit: LimitNOFILE in its unit, or `ulimit -Hn` before it starts"
LINGER = "run it as a service (docs/systemd.md), or `loginctl enable-linger` as this user"
# More than a thousand targets at a time need. Some programs close each descriptor that they might have.
_MOST_DESCRIPTORS = 65_536
# Of one target at work, at the most (14.4 of each of 32 were seen), and of a run without any.
_DESCRIPTORS_OF_A_JOB, _DESCRIPTORS_OF_A_RUN = 20, 64
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Make this process private: umask 077, no core dumps, memory closed to other processes of this user."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_descriptors() -> None:
    """Let this process and its children open as many files as its hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _MOST_DESCRIPTORS)), hard))


def most_jobs() -> int:
    """Return for how many targets at a time this process has descriptors."""
    return max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _DESCRIPTORS_OF_A_RUN) // _DESCRIPTORS_OF_A_JOB)


def is_hardened() -> bool:
    """Tell whether core dumps of this process are off, as the kernel says."""
    dumpable = ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
    return resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) and dumpable == 0


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """Make a 0700 directory on a tmpfs, and remove it with everything in it.

    First remove what a killed run left there. Raises Failure when this user can write to no tmpfs of this machine.
    """
    folder = _memory_folder()
    _remove_abandoned(folder)
    directory, lock = _make(folder)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def failure_in(directory: Path, error: Exception) -> Failure:
    """Return why something failed: that the private `directory` is gone, when it is, for without it nothing works."""
    failure = failure_of(error)
    if directory.exists() or isinstance(failure, TamperedError):
        return failure
    hint = f"a logout removes it: {LINGER}" if goes_with_logout(directory) else "find out what removed it"
    return Failure(CONTROLLER, f"the private directory of this run was removed: {directory}", hint=hint)


def goes_with_logout(folder: Path) -> bool:
    """Tell whether logind removes what is in `folder` with the last session of this user (logind.conf(5)).

    That is /run/user/N, and what an ordinary user has in /dev/shm (RemoveIPC), unless the user lingers.
    """
    with contextlib.suppress(KeyError):
        if Path("/var/lib/systemd/linger", pwd.getpwuid(os.getuid()).pw_name).exists():
            return False
    ordinary = os.getuid() >= _FIRST_ORDINARY and Path("/run/systemd/system").exists()
    return folder.is_relative_to("/run/user") or (ordinary and folder.is_relative_to("/dev/shm"))  # noqa: S108


def _make(folder: Path) -> tuple[Path, int]:
    # The lock is held for as long as this process lives: how the next run tells a directory in use from one left
    # behind. Another run may have taken ours for one of those before it was locked; then we make another one.
    while True:
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.exists():
            return directory, lock
        os.close(lock)


def _remove_abandoned(folder: Path) -> None:
    for directory in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(directory)
            finally:
                os.close(lock)


def _memory_folder() -> Path:
    mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    for folder in _candidates():
        if _SAFE.fullmatch(str(folder)) and os.access(folder, os.W_OK | os.X_OK) and in_memory(folder, mounts):
            return folder
    raise Failure(
        CONTROLLER,
        "no folder in memory (tmpfs) to keep the keys in",
        hint="mount one, e.g. `docker run --tmpfs /run ...`, or set XDG_RUNTIME_DIR to a folder on a tmpfs",
    )


def _candidates() -> Iterator[Path]:
    # What systemd makes for a service and removes with it; several have colons between (systemd.exec(5)).
    made = os.environ.get("RUNTIME_DIRECTORY", "").split(":")
    others = (os.environ.get("XDG_RUNTIME_DIR", ""), "/run", "/dev/shm", f"/run/user/{os.getuid()}")  # noqa: S108
    # A /run/user goes when its user logs out: it comes last.
    for named in (*made, *sorted(others, key=lambda folder: Path(folder).is_relative_to("/run/user"))):
        if named.startswith("/"):
            yield Path(named)


def in_memory(folder: Path, mounts: str) -> bool:
    """Tell whether `folder` lies on a tmpfs, by the text of /proc/mounts: the longest mount point above it decides.

    Of two mounts on one point the later line is the one that is seen.
    """
    place = folder.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        point = Path(fields[1].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind in _MEMORY
