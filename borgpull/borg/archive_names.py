"""The names of archives in a repository: of the source paths, and of each stream."""

from __future__ import annotations

import re
import time

_MARK = "@"
_STAMP = "%Y-%m-%dT%H:%M:%S"
_MAIN = re.compile(r"snapshot-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_OF_STREAM = re.compile(r"@(.+)-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII | re.DOTALL)


def archive_name(now: float, *, stream: str = "") -> str:
    """Return the name of an archive of a run that began at `now`, unix seconds, in UTC.

    It is snapshot-YYYY-MM-DDTHH:MM:SS, and for a stream @NAME-YYYY-MM-DDTHH:MM:SS.
    """
    stamp = time.strftime(_STAMP, time.gmtime(now))
    return f"{_MARK}{stream}-{stamp}" if stream else f"snapshot-{stamp}"


def is_main(archive: str) -> bool:
    """Return whether borgpull or its ancestor named an archive so, for the source paths."""
    return _MAIN.fullmatch(archive) is not None


def stream_of(archive: str) -> str:
    """Return the name of an archive's stream, "" when it has none."""
    found = _OF_STREAM.fullmatch(archive)
    return found[1] if found else ""
