"""Which series an archive belongs to, by its name. borgpull removes nothing that has no series.

borgpull and its ancestor make `snapshot-TIME` and `@STREAM-TIME`; the operator may name more prefixes in `PruneAlso`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_OWN = "snapshot-"
_STREAM = "@"
_MONTH_DAY = "(?:0[1-9]|1[0-2]){0}(?:0[1-9]|[12][0-9]|3[01])"
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_DATE = f"[0-9]{{4}}-{_MONTH_DAY.format('-')}"
_FULL_TIME = f"{_HOUR}:{_SIXTY}:{_SIXTY}"
_FRACTION = r"(?:\.[0-9]{1,9})?"
_TIMES = (
    f"{_FULL_TIME}{_FRACTION}",
    f"{_HOUR}{_SIXTY}{_SIXTY}{_FRACTION}",
    f"{_HOUR}-{_SIXTY}-{_SIXTY}{_FRACTION}",
    f"{_HOUR}:?{_SIXTY}",
)
_ZONE = f"(?:Z|[+-]{_HOUR}:{_SIXTY})?"
_MADE = re.compile(f"(?P<series>{_OWN}|{_STREAM}(?P<stream>.+)-){_DATE}T{_FULL_TIME}", re.ASCII | re.DOTALL)
_DATED = re.compile(f"(?:{_DATE}|[0-9]{{4}}{_MONTH_DAY.format('')})(?:[T_ -](?:{'|'.join(_TIMES)}){_ZONE})?", re.ASCII)
# Borg adds it to the name of an archive that it has not finished (1.2.4, 1.4.5).
_CHECKPOINT = re.compile(r"\.checkpoint(?:\.[0-9]+)?\Z", re.ASCII)


def series_of(name: str, *, streams: Collection[str] = (), also: Collection[str] = ()) -> str | None:
    """Return the prefix of the archive's series, or None when the archive is to be left alone.

    `streams` are those that the config has now: archives of a stream that was taken out of it stay. `also` are prefixes
    that only a date and time may follow; where two fit, the longer one counts.
    """
    whole = _CHECKPOINT.sub("", name)
    if made := _MADE.fullmatch(whole):
        return made["series"] if made["stream"] is None or made["stream"] in streams else None
    fitting = [prefix for prefix in also if whole.startswith(prefix) and _DATED.fullmatch(whole, len(prefix))]
    return max(fitting, key=len, default=None)


def is_checkpoint(name: str) -> bool:
    """Tell whether borg did not finish the archive."""
    return _CHECKPOINT.search(name) is not None
