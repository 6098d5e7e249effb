"""The private directory of one run, on a tmpfs, and the hardening of the controller's own process.

Keys, known_hosts and sockets are here and nowhere else; nothing in here ever reaches a disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import CONTROLLER, Failure

PREFIX = "borgpull-"
_MEMORY = {"tmpfs", "ramfs"}
_SAFE = re.compile(r"[A-Za-z0-9._/-]{1,48}")
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Make this process private: umask 077, no core dumps, memory closed to other processes of this user."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


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
    # The first is what systemd makes for a service and removes with it; several have colons between (systemd.exec(5)).
    for named in (*os.environ.get("RUNTIME_DIRECTORY", "").split(":"), os.environ.get("XDG_RUNTIME_DIR", "")):
        if named.startswith("/"):
            yield Path(named)
    yield from (Path(f"/run/user/{os.getuid()}"), Path("/run"), Path("/dev/shm"))  # noqa: S108


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
