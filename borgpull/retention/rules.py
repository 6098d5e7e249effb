"""The rules of `borg prune`, applied to the good archives of one series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .archives import Archive, moment

_DAY = 86400
# To borg a month has 31 days and a year 365.
_SECONDS = {"H": 3600, "d": _DAY, "w": 7 * _DAY, "m": 31 * _DAY, "y": 365 * _DAY}
# In this order borg applies them: what an earlier rule keeps takes no place of a later one.
_PERIODS: Mapping[str, Callable[[datetime], object]] = {
    # To borg these two are one rule.
    "last": lambda when: when.timetuple()[:6],
    "secondly": lambda when: when.timetuple()[:6],
    "minutely": lambda when: when.timetuple()[:5],
    "hourly": lambda when: when.timetuple()[:4],
    "daily": lambda when: when.timetuple()[:3],
    "weekly": lambda when: when.isocalendar()[:2],
    "monthly": lambda when: (when.year, when.month),
    # A 53rd week belongs to the last quarter of its year.
    "13weekly": lambda when: (when.isocalendar().year, min((when.isocalendar().week - 1) // 13, 3)),
    "3monthly": lambda when: (when.year, (when.month - 1) // 3),
    "yearly": lambda when: when.year,
}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """`within` is an interval as borg writes it, e.g. 2d, or empty; `counts` are in the order in which they apply.

    A negative count keeps one archive of every period. Borg 1.2.4 and 1.4.5 choose the same archives (compared over
    thousands of histories), but 1.2 does not know 13weekly and 3monthly. Like borg, this refuses to have no rule.
    """

    within: str = ""
    counts: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.within and not any(count for _, count in self.counts):
            raise ValueError("no rule keeps anything")

    @classmethod
    def from_options(cls, options: Iterable[str]) -> Rules:
        """Read `--keep-NAME=VALUE`, as config.retention has checked them. Raises ValueError."""
        values = dict(option.removeprefix("--keep-").split("=", 1) for option in options)
        counts = tuple((rule, int(values[rule])) for rule in _PERIODS if rule in values)
        return cls(within=values.get("within", ""), counts=counts)


def kept_by_rules(archives: Sequence[Archive], rules: Rules, *, now: float) -> dict[str, str]:
    """Return the rule that keeps an archive, by the archive's name. `archives` are a series, the newest first."""
    kept: dict[str, str] = {}
    if rules.within:
        since = now - int(rules.within[:-1]) * _SECONDS[rules.within[-1]]
        kept = {archive.name: f"within {rules.within}" for archive in archives if archive.started > since}
    for rule, count in rules.counts:
        if count:
            _keep_by_period(kept, archives, rule, count)
    return kept


def _keep_by_period(kept: dict[str, str], archives: Sequence[Archive], rule: str, count: int) -> None:
    """Keep the newest archive of each period up to `count`, and the oldest of all when there are fewer periods."""
    most = f" of {count}" if count > 0 else ""
    last, places = None, 0
    for archive in archives:
        period = _PERIODS[rule](moment(archive.started))
        if period != last and archive.name not in kept:
            places += 1
            kept[archive.name] = f"{rule} {places}{most}"
            if places == count:
                return
        last = period
    if archives and places < count and archives[-1].name not in kept:
        kept[archives[-1].name] = f"{rule} {places + 1}{most}, the oldest"
