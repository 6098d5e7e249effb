"""Replaces a file as a whole: a reader finds the old one or the new one, and never half of one."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path


def replace(file: Path, content: bytes, *, mode: int | None = None) -> None:
    """Put a file with `content` in the place of `file`, and on the disk before this returns.

    `mode` are its permissions; without it there has to be a file already, whose mode and owner it keeps. Raises
    OSError, and the old one stays.
    """
    found = file.stat() if mode is None else None
    # Beside it, or it could not be renamed; under another name, or a program would read it before it is whole.
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".new", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(content)
            new.flush()
            if found is not None:
                os.fchown(handle, found.st_uid, found.st_gid)
            os.fchmod(handle, stat.S_IMODE(found.st_mode) if found is not None else mode or 0)
            os.fsync(handle)
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    _sync(file.parent)


def _sync(folder: Path) -> None:
    """Write the new name to the disk too, where this user can read the folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
