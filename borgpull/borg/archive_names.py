"""How archives are named: those of the source paths, and those of each stream, in one repository."""

from __future__ import annotations

import re
import time

_MARK = "@"
_STAMP = "%Y-%m-%dT%H:%M:%S"
_MAIN = re.compile(r"snapshot-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_OF_STREAM = re.compile(r"@(.+)-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII | re.DOTALL)


def archive_name(now: float, *, stream: str = "") -> str:
    """Return the name of an archive of a run begun at `now`, unix seconds, in UTC.

    It is snapshot-YYYY-MM-DDTHH:MM:SS, and for a stream @NAME-YYYY-MM-DDTHH:MM:SS.
    """
    stamp = time.strftime(_STAMP, time.gmtime(now))
    return f"{_MARK}{stream}-{stamp}" if stream else f"snapshot-{stamp}"


def is_main(archive: str) -> bool:
    """Tell whether an archive is one of the source paths, that borgpull or its ancestor made."""
    return _MAIN.fullmatch(archive) is not None


def stream_of(archive: str) -> str:
    """Return the name of the stream that an archive is of, empty when it is of none."""
    found = _OF_STREAM.fullmatch(archive)
    return found[1] if found else ""
