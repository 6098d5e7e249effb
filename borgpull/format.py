"""Numbers, times and words as people and programs read them: pure, and the same on every surface.

Never reads a clock or a locale: a report must look alike in cron, in a container and on a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

UNKNOWN = "…"

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def size(count: int) -> str:
    """Return `count` bytes in decimal units, as borg shows them: "0 B", "3.4 MB", "120 GB"."""
    if count < 1000:
        return f"{count} B"
    value, unit = float(count), 0
    # 999.5 and not 1000, so that rounding cannot yield "1000 kB".
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if value < 99.95 else f"{value:.0f} {_UNITS[unit]}"


def number(count: int) -> str:
    """Return a count in at most seven columns: "9999999", "12M"."""
    return str(count) if count < 10_000_000 else size(count).removesuffix("B").replace(" ", "")


def rate(bytes_per_second: float) -> str:
    """Return a speed: "3.4 MB/s"."""
    return f"{size(int(bytes_per_second))}/s"


def span(seconds: float) -> str:
    """Return a duration in its two largest units: "<1s", "12s", "3m12s", "2h05m", "3d04h"."""
    if seconds < 1:
        return "<1s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def counts(states: Mapping[str, int]) -> str:
    """Return states and how often each occurs: "180 waiting, 12 done"."""
    named = {"warning": "with warnings"}
    return ", ".join(f"{count} {named.get(state, state)}" for state, count in states.items() if count)


def percent(fraction: float, *, estimated: bool) -> str:
    """Return a progress, rounded down so that 100 % means all of it; "~42%" is an estimate."""
    mark = "~" if estimated else ""
    return f"{mark}{math.floor(fraction * 100)}%"
