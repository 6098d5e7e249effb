"""Durations and sizes as an operator writes them: `90m`, `50G`. It accepts nothing that can be read in two ways."""

from __future__ import annotations

import math
import re

_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 366 * 86400
_CADENCES = {"always": 0.0, "never": math.inf}
_SIZE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([KMGTP])B?", re.IGNORECASE)
_SHARE = re.compile(r"([1-9][0-9]?)%")
_POWERS = " KMGTP"
_LEAST_RATE = 10_000
_KIBIBYTE = 1024
# What `borg serve --storage-quota` asks for (1.2.4, 1.4.5).
_LEAST_QUOTA = 10_000_000


def seconds(text: str) -> int:
    """Return a duration such as `30s`, `90m`, `26h` or `7d` in seconds. Raises ValueError when it is none."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError
    return int(found[1]) * _SECONDS[found[2]]


def duration_problem(text: str) -> str | None:
    try:
        long = seconds(text) > _LONGEST_SECONDS
    except ValueError:
        return "is not a duration: write a number and s, m, h or d, such as `90m` or `26h`"
    return "is longer than a year: write a shorter one" if long else None


def grace(text: str) -> float:
    """Return a duration in seconds, which may be `0` here. Raises ValueError when it is none."""
    return 0.0 if text == "0" else float(seconds(text))


def grace_problem(text: str) -> str | None:
    return None if text == "0" else duration_problem(text)


def cadence(text: str) -> float:
    """Return a cadence in seconds: 0 for `always`, infinity for `never`. Raises ValueError when it is none."""
    return _CADENCES[text] if text in _CADENCES else float(seconds(text))


def cadence_problem(text: str) -> str | None:
    if text in _CADENCES:
        return None
    try:
        long = seconds(text) > _LONGEST_SECONDS
    except ValueError:
        return "is not a cadence: write `always`, `never`, or a number and s, m, h or d, such as `7d`"
    return "is longer than a year: write a shorter one, or `never`" if long else None


def size(text: str) -> int:
    """Return a size such as `64M` or `1.5G` in bytes. Raises ValueError when it is none."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError
    return int(float(found[1]) * 1000 ** _POWERS.index(found[2].upper()))


def size_problem(text: str) -> str | None:
    if _SIZE.fullmatch(text) is None:
        return "is not a size: write a number and K, M, G, T or P (powers of 1000), such as `50G`"
    return None


def share(text: str) -> float:
    """Return a share such as `50%` as a part of 1; 0 for `off`. Raises ValueError when it is none."""
    found = _SHARE.fullmatch(text)
    if found is None and text != "off":
        raise ValueError
    return int(found[1]) / 100 if found else 0.0


def share_problem(text: str) -> str | None:
    try:
        share(text)
    except ValueError:
        return "is not a share: write `off`, or 1% to 99%, such as `50%`"
    return None


def rate(text: str) -> int:
    """Return an upload rate such as `500K` or `2M` (bytes a second) in KiB a second, as borg counts it."""
    return round(size(text) / _KIBIBYTE)


def rate_problem(text: str) -> str | None:
    if size_problem(text):
        return "is not a rate: write how many bytes a second, with K, M or G (powers of 1000), such as `2M`"
    # borg takes 0 for no limit at all.
    return "is slower than 10K: nothing would ever be done; write a faster one" if size(text) < _LEAST_RATE else None


def quota_problem(text: str) -> str | None:
    if problem := size_problem(text):
        return problem
    return "is smaller than 10M, the least that borg takes: write a larger one" if size(text) < _LEAST_QUOTA else None
