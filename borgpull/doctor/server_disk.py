"""B's disk: whether RootDir is there and writable, what it really is, how much is free, and whether hard links work.

Judged without writing anything: what only a write could tell is said to be unknown.
"""

from __future__ import annotations

import posixpath
import re

from ..config import Config
from ..errors import BACKUP_SERVER, Failure
from ..repository.space import HINT, LEAST, min_free, shown
from ..repository.step_events import NO_LINKS, NO_LINKS_HINT
from .checks import Checks, Facts

DISK_ROWS = ("root", "path", "space", "hard links")
# By the names of `stat -f -c %T`.
_WITH_LINKS = {"ext2/ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlayfs", "nfs", "jfs", "reiserfs", "bcachefs"}
_WITHOUT_LINKS = {"msdos", "exfat"}
# The last line of `df -Pk`: kilobytes of the whole, used and free, the share that is used, and where it is mounted.
_FREE = re.compile(r".*\s(\d{1,15})\s+\d{1,15}\s+(-?\d{1,15})\s+\d{1,3}%\s.*", re.ASCII)
_SCARCE = 1024 * 1024 * 1024
_SCARCE_SHARE = 0.05


def check_disk(checks: Checks, facts: Facts, config: Config) -> None:
    """Judge what B's script said of RootDir and of the repositories' paths."""
    with checks.attempt("root"):
        _judge_root(checks, facts, config)
    with checks.attempt("path"):
        _judge_paths(checks, facts, config)
    with checks.attempt("space"):
        _judge_space(checks, facts, config)
    _judge_links(checks, facts)


def _judge_root(checks: Checks, facts: Facts, config: Config) -> None:
    there, writable = facts.one("root"), facts.has("writable")
    if there == "other":
        raise Failure(BACKUP_SERVER, f"RootDir ({config.root_dir}) is no folder", hint="correct RootDir")
    if not writable:
        user = config.server.username
        what = "may not be written" if there else "is not there, and may not be made"
        raise Failure(
            BACKUP_SERVER,
            f"RootDir ({config.root_dir}) {what} by {user}",
            hint=f"on B: `install -d -m 700 -o {user} {config.root_dir}`; its file system must not be read-only",
        )
    if there:
        checks.ok("root", config.root_dir)
    else:
        checks.warn(
            "root",
            f"RootDir ({config.root_dir}) is not there: the first run makes it",
            "if a disk should be mounted there, mount it first; or correct RootDir",
        )


def _judge_paths(checks: Checks, facts: Facts, config: Config) -> None:
    real = facts.every("path")
    if len(real) != len(config.targets) or not all(real):
        checks.note("path", "its `readlink -m` does not say what the paths really are")
        return
    names: dict[str, list[str]] = {}
    for target, path in zip(config.targets, real, strict=True):
        names.setdefault(path, []).append(target.name)
    for path, sharing in names.items():
        if len(sharing) > 1:
            raise Failure(
                BACKUP_SERVER,
                f"the repositories of {' and '.join(sharing)} are the same folder, by symbolic links: {path}",
                hint="give each of them a SubDir of its own, without links to another one's",
            )
    root = "/" + posixpath.normpath(config.root_dir).strip("/")
    if facts.one("real") != root:
        # borg serve follows it on both sides of --restrict-to-repository (seen with 1.2.4 and 1.4.5).
        checks.note("path", f"RootDir leads to {facts.one('real')}, by a symbolic link")
    else:
        checks.ok("path", "real, each repository has its own")


def _judge_space(checks: Checks, facts: Facts, config: Config) -> None:
    found = _FREE.fullmatch(facts.one("free"))
    if found is None:
        checks.note("space", "its `df -Pk` does not say how much is free")
        return
    whole, free = int(found[1]) * 1024, max(0, int(found[2])) * 1024
    words = f"{shown(free)} of {shown(whole)} free"
    # Of a repository with an empty index.
    least = min_free(0, config.min_free)
    if free < least + LEAST:
        raise Failure(
            BACKUP_SERVER, f"its disk has no room for a session: {words}, less {shown(least)} (MinFree)", hint=HINT
        )
    if free < _SCARCE or free < whole * _SCARCE_SHARE:
        checks.warn("space", f"little is left: {words}", "free space below RootDir on B, or keep fewer archives")
    else:
        checks.ok("space", words)


def _judge_links(checks: Checks, facts: Facts) -> None:
    kind = facts.one("kind")
    if len({device for device in facts.every("device") if device}) > 1:
        checks.warn(
            "hard links",
            "a repository lies on another file system than RootDir: no snapshot, for no hard link leads from one to "
            "the other",
            "keep all repositories and RootDir/.borgpull on one file system",
        )
    elif kind in _WITHOUT_LINKS:
        checks.warn("hard links", NO_LINKS, NO_LINKS_HINT)
    elif kind in _WITH_LINKS:
        checks.ok("hard links", f"possible on {kind}")
    else:
        checks.note("hard links", f"whether {kind or 'its file system'} has them only a run can tell")
