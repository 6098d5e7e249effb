"""Borg's cache on the controller: tells the lock of a running borg from one that a killed borg left behind.

Borg itself compares the host name and the pid. After a reboot that pid may be another process, and in a new container
the host has another name: every run would wait for such a lock, and fail. Only borgpull uses the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from .. import files
from ..errors import CONTROLLER, Failure


@contextlib.contextmanager
def cache_in_use(cache: Path) -> Iterator[int]:
    """Hold a shared lock on `cache`; yields its descriptor, which the borg that uses the cache has to inherit.

    So the lock lasts as long as that borg, even when borgpull is killed. Where no process holds one, no borg runs, and
    borg's own locks are removed first. A file system that cannot lock leaves all of this to borg.
    Raises Failure when the folder does not exist, or could not be opened.
    """
    descriptor = _open(cache)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folders = cache / ".cache" / "borg"
            for lock in folders.glob("*/lock.exclusive"):
                shutil.rmtree(lock, ignore_errors=True)
            for roster in folders.glob("*/lock.roster"):
                roster.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            # Another process holds it alone only while it removes locks.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield descriptor
    finally:
        os.close(descriptor)


def known_ids(cache: Path, location: str) -> list[str]:
    """Return the ids of the repositories that borg here has seen at this location."""
    # By borg's own rules, its base directory being the cache (1.2.4 and 1.4.5).
    known = sorted((cache / ".config" / "borg" / "security").glob("*/location"))
    return [file.parent.name for file in known if file.read_text(errors="replace") == location]


def manifest_time(cache: Path, repository_id: str) -> str:
    """Return the time of the newest manifest of a repository that borg here has seen, "" if it has seen none."""
    file = cache / ".config" / "borg" / "security" / repository_id / "manifest-timestamp"
    return file.read_text(errors="replace").strip() if file.exists() else ""


def forget_location(cache: Path, repository_id: str) -> None:
    """Make borg here forget where this repository was, but nothing else of it."""
    # It stores that twice, and reads its cache first (1.2.4 and 1.4.5).
    (cache / ".config" / "borg" / "security" / repository_id / "location").unlink(missing_ok=True)
    config = cache / ".cache" / "borg" / repository_id / "config"
    if config.exists():
        files.replace(config, re.sub(rb"(?m)^previous_location *=.*\n", b"", config.read_bytes()))


def drop_cache(cache: Path, location: str) -> bool:
    """Delete what borg here has cached of the repository at this location; returns whether there was anything."""
    folders = [folder for id_ in known_ids(cache, location) if (folder := cache / ".cache" / "borg" / id_).exists()]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return bool(folders)


def _open(cache: Path) -> int:
    try:
        return os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        cause = f"could not open the folder of the borg cache {cache}: {error.strerror}"
        raise Failure(CONTROLLER, cause, hint="make it, or give another --cache-dir") from None
