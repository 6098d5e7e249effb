"""Durations and sizes as an operator writes them: `90m`, `50G`. Nothing ambiguous passes."""

from __future__ import annotations

import math
import re

from .model_fields import Invalid, refuse

_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 366 * 86400
_CADENCES = {"always": 0.0, "never": math.inf}
_SIZE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([KMGTP])B?", re.IGNORECASE)
_SHARE = re.compile(r"([1-9][0-9]?)%")
_POWERS = " KMGTP"
_LEAST_RATE = 10_000
_KIBIBYTE = 1024
# The least that `borg serve --storage-quota` accepts (1.2.4, 1.4.5).
_LEAST_QUOTA = 10_000_000


def seconds(text: str) -> int:
    """Return a duration such as `30s`, `90m`, `26h` or `7d` in seconds."""
    return _seconds(text, "is not a duration: write a number and s, m, h or d, such as `90m` or `26h`")


def grace(text: str) -> int:
    """Return a duration in seconds; `0` is one too."""
    return 0 if text == "0" else seconds(text)


def cadence(text: str) -> float:
    """Return a cadence in seconds: 0 for `always`, infinity for `never`."""
    if text in _CADENCES:
        return _CADENCES[text]
    return _seconds(text, "must be `always`, `never` or an interval such as `7d`", ", or write `never`")


def _seconds(text: str, words: str, instead: str = "") -> int:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Invalid(words)
    total = int(found[1]) * _SECONDS[found[2]]
    refuse(total > _LONGEST_SECONDS, f"is longer than a year: shorten it{instead}")
    return total


def size(text: str) -> int:
    """Return a size such as `64M` or `1.5G` in bytes."""
    return _bytes(text, "is not a size: write a number and K, M, G, T or P (powers of 1000), such as `50G`")


def rate(text: str) -> int:
    """Return an upload rate such as `500K` or `2M` (bytes per second) in KiB per second, as borg counts it."""
    found = _bytes(text, "is not a rate: write bytes per second with K, M or G (powers of 1000), such as `2M`")
    # borg takes 0 for no limit.
    refuse(found < _LEAST_RATE, "is slower than 10K: no backup would ever finish; raise it")
    return round(found / _KIBIBYTE)


def _bytes(text: str, words: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise Invalid(words)
    return int(float(found[1]) * 1000 ** _POWERS.index(found[2].upper()))


def quota(text: str) -> str:
    """Judge a quota; borg itself reads it."""
    refuse(size(text) < _LEAST_QUOTA, "is smaller than 10M, the least that borg accepts: raise it")
    return text


def share(text: str) -> float:
    """Return a share such as `50%` as a fraction of 1; 0 for `off`."""
    found = _SHARE.fullmatch(text)
    refuse(found is None and text != "off", "is not a share: write `off`, or 1% to 99%, such as `50%`")
    return int(found[1]) / 100 if found else 0.0
