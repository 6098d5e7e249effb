"""Histories of a series, rules, and what a borg of either version chooses of them."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from borgpull.retention import Archive, Rules, decide
from support import place

DAY = 86400
NOW = 1_790_000_000.0
_PRUNES = Path(__file__).with_name("borg_prunes.py")
_STEPS = (0, 1, 40, 600, 3600, 5 * 3600, DAY, DAY, DAY, 3 * DAY, 7 * DAY, 30 * DAY, 91 * DAY, 200 * DAY)
_COUNTED = ("last", "secondly", "minutely", "hourly", "daily", "weekly", "monthly", "yearly")
_QUARTERS = ("13weekly", "3monthly")
_COUNTS = (-1, 0, 1, 1, 2, 3, 4, 7, 12, 100)
# In days, as borg counts them.
_INTERVALS = {"1H": 1 / 24, "36H": 1.5, "2d": 2, "1w": 7, "3w": 21, "1m": 31, "5m": 155, "1y": 365, "3y": 1095}
_LINE = re.compile(r"(?:(Would prune)|Keeping (?:checkpoint archive|archive \(rule: (\S+) #(\d+)\))): +(\S+)")


@dataclass(frozen=True, kw_only=True)
class History:
    """Archives of one series, all of them good or checkpoints, and the options of a prune at `now`."""

    archives: tuple[Archive, ...]
    options: tuple[str, ...]
    streams: tuple[str, ...] = ()
    now: float = NOW

    def asked(self) -> dict[str, object]:
        archives = [(archive.name, archive.id, archive.started) for archive in self.archives]
        return {"now": self.now, "options": self.options, "archives": archives}

    def chosen(self) -> dict[str, str]:
        """Return what retention chose, in the form of `read`; only borg's own rules are named."""
        chosen = decide(self.archives, Rules.from_options(self.options), now=self.now, streams=self.streams)
        return {each.archive.name: _as_borg(each.rule) if each.kept else "goes" for each in chosen.decisions}


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def any_history(seed: int, *, quarters: bool) -> History:
    """Make one of the histories that there are: regular, with gaps and bursts, equal starts, future dates."""
    random = Random(seed)
    options = _options(random, quarters=quarters)
    within = [_INTERVALS[option.partition("=")[2]] for option in options if "within" in option]
    return History(archives=tuple(_archives(random, within=within[0] if within else 1)), options=options)


def around_new_year(*, quarters: bool) -> list[History]:
    """An archive a day in December and January, where years, weeks and quarters end on different days."""
    rules = ("weekly", "monthly", "yearly", *(_QUARTERS if quarters else ()))
    histories = []
    for year in range(2015, 2029):
        days = [datetime(year, 1, 20, tzinfo=UTC).timestamp() - age * DAY for age in range(45)]
        archives = tuple(Archive(name=f"snapshot-{stamp(day)}", id=f"{int(day):064x}", started=day) for day in days)
        histories += [History(archives=archives, options=(f"--keep-{rule}=-1",)) for rule in rules]
    return histories


def _archives(random: Random, *, within: float) -> list[Archive]:
    step, jitter = random.choice(_STEPS), random.choice((0, 0, 0.25, 3600))
    started = NOW - random.choice((-30 * DAY, 0, 0, 1, 0.5 * DAY, 8 * DAY, 400 * DAY))
    if random.random() < 0.3:
        # The first days of a year are of week 1, 52 or 53.
        started = datetime(
            random.choice((2016, 2019, 2021, 2024, 2027)), 1, random.randint(1, 14), 1, tzinfo=UTC
        ).timestamp()
    made = []
    for number in range(random.choice((0, 1, 2, 3, 8, 16, 40))):
        # The name need not tell the start, so that of two with one start either may come first.
        name = f"snapshot-{stamp(random.randrange(10**9) * 100 + number)[:19]}"
        if random.random() < (0.15 if number else 0.4):
            name += random.choice((".checkpoint", ".checkpoint.1", ".checkpoint.12"))
        # Some just inside and just outside of the interval.
        edge = NOW - within * DAY + random.choice((-DAY / 2, -1, 0, 1, DAY / 2))
        made.append(Archive(name=name, id=f"{number:064x}", started=edge if random.random() < 0.1 else started))
        started -= random.choice(
            (step, step, step, step + jitter * random.random() // 0.25 * 0.25, random.choice(_STEPS))
        )
    return random.sample(made, len(made))


def _options(random: Random, *, quarters: bool) -> tuple[str, ...]:
    found = {rule: random.choice(_COUNTS) for rule in random.sample(_COUNTED[1:], random.randint(0, 4))}
    if random.random() < 0.2:
        found["last"] = found.pop("secondly", 3)
    if quarters and random.random() < 0.5:
        found[random.choice(_QUARTERS)] = random.choice(_COUNTS)
    options = [f"--keep-{rule}={count}" for rule, count in found.items()]
    if not any(found.values()) or random.random() < 0.3:
        options.append(f"--keep-within={random.choice(list(_INTERVALS))}")
    return tuple(random.sample(options, len(options)))


def read(lines: list[str]) -> dict[str, str]:
    """Return what borg said of each archive: goes, a rule with its number, or nothing for a checkpoint it keeps."""
    found = [_LINE.match(line) for line in lines]
    return {
        match[4]: "goes" if match[1] else _within_is_not_counted(match[2], match[3])
        for match in found
        if match is not None
    }


def _within_is_not_counted(rule: str | None, number: str | None) -> str:
    return rule if rule == "within" else f"{rule} {number}" if rule else ""


def _as_borg(rule: str) -> str:
    counted = re.fullmatch(r"(\S+) (\d+)(?: of \d+)?(, the oldest)?", rule)
    if counted is None:
        return {"within": "within", "newest": "newest"}.get(rule.split(maxsplit=1)[0], "")
    name = f"quarterly_{counted[1]}" if counted[1] in _QUARTERS else counted[1].replace("last", "secondly")
    return f"{name}{'[oldest]' if counted[3] else ''} {counted[2]}"


def as_borg_chose(lines: list[str], history: History) -> dict[str, str]:
    """Return what borg chose, but that the newest archive that is no checkpoint is never to go."""
    found = read(lines)
    finished = [archive for archive in history.archives if "checkpoint" not in archive.name]
    newest = max(finished, key=lambda archive: (archive.started, archive.name), default=None)
    if newest and found[newest.name] == "goes":
        found[newest.name] = "newest"
    return found


def borg_chose(histories: list[History], *, version: str) -> list[dict[str, str]]:
    """Return what the `do_prune` of that borg, in its own Python, chooses of each history."""
    asked = "".join(f"{json.dumps(history.asked())}\n" for history in histories)
    done = subprocess.run(
        [python_of(version), _PRUNES], input=asked, capture_output=True, text=True, check=True, env={"TZ": "UTC"}
    )
    said = map(json.loads, done.stdout.splitlines())
    return [as_borg_chose(lines, history) for lines, history in zip(said, histories, strict=True)]


def borg_of(version: str) -> str:
    return place.borg_14() if version == "1.4" else place.DISTRIBUTION_BORG


def python_of(version: str) -> str:
    """Return the Python that has this borg as a package."""
    return Path(borg_of(version)).read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").strip()
