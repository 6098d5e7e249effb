"""Borg's cache on C: tells the lock of a borg that is at work there from one that a killed borg left behind.

Borg itself goes by the name of the host and by the pid. After a reboot that pid may be another process, and in a new
container the host has another name: every run would wait for such a lock, and fail. Nobody but borgpull uses the cache.
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
    """Keep word that a borg is at work in `cache`; yields the descriptor that keeps it, which that borg is to inherit.

    So the word is kept for as long as the borg lives, even when C is killed. Where nobody keeps any, no borg is at
    work, and the locks that lie there are removed first. A file system that cannot lock leaves all of this to borg.
    Raises Failure when there is no such folder, or it may not be opened.
    """
    descriptor = _opened(cache)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_locks(cache)
        with contextlib.suppress(OSError):
            # Others hold it alone only for as long as that takes.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield descriptor
    finally:
        os.close(descriptor)


def known_ids(cache: Path, location: str) -> list[str]:
    """Return the ids of the repositories that borg on C has seen at this location."""
    # By borg's own rules, its base directory being the cache (1.2.4 and 1.4.5).
    places = sorted((cache / ".config" / "borg" / "security").glob("*/location"))
    return [place.parent.name for place in places if place.read_text(errors="replace") == location]


def forget_place(cache: Path, repository_id: str) -> None:
    """Have borg on C forget where this repository was, but nothing else that it has seen of it."""
    # It remembers that twice, and believes its cache (1.2.4 and 1.4.5).
    (cache / ".config" / "borg" / "security" / repository_id / "location").unlink(missing_ok=True)
    config = cache / ".cache" / "borg" / repository_id / "config"
    if config.exists():
        files.replace(config, re.sub(rb"(?m)^previous_location *=.*\n", b"", config.read_bytes()))


def drop_cache(cache: Path, location: str) -> bool:
    """Throw away what borg on C has cached of the repository at this location; returns whether there was anything."""
    places = [place for id_ in known_ids(cache, location) if (place := cache / ".cache" / "borg" / id_).exists()]
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
    return bool(places)


def _opened(cache: Path) -> int:
    try:
        return os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Failure(
            CONTROLLER,
            f"the folder of borg's cache cannot be opened: {cache}: {error.strerror}",
            hint="make it, or give another --cache-dir",
        ) from None


def _remove_locks(cache: Path) -> None:
    folders = cache / ".cache" / "borg"
    for lock in folders.glob("*/lock.exclusive"):
        shutil.rmtree(lock, ignore_errors=True)
    for roster in folders.glob("*/lock.roster"):
        roster.unlink(missing_ok=True)
