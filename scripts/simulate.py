"""How many controllers, and which Jobs, meet a night's window? Nights of many targets, with borgpull's own shards.

`.venv/bin/python scripts/simulate.py` prints the table of docs/scale.md. Pure but for what it prints: the same seed
gives the same nights. It knows time alone: what a job takes of a controller and of B has to be measured there.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from borgpull.fleet import shard_of

CONTROLLERS = (1, 2, 4, 8, 16)
JOBS = (4, 8, 16, 32, 64, 128)
HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Durations:
    """How long a target takes, in seconds: most lognormal, some of a Pareto tail, none longer than `longest`."""

    median: float = 180.0
    sigma: float = 0.9
    in_tail: float = 0.01
    tail_from: float = 1800.0
    tail_alpha: float = 1.5
    longest: float = 4 * HOUR

    def drawn(self, dice: random.Random) -> float:
        """Return one, thrown with `dice`."""
        if dice.random() < self.in_tail:
            seconds = self.tail_from * dice.paretovariate(self.tail_alpha)
        else:
            seconds = self.median * dice.lognormvariate(0.0, self.sigma)
        return min(seconds, self.longest)


def names(count: int) -> list[str]:
    """Return the names of so many targets."""
    return [f"host{number:05d}.example.org" for number in range(count)]


def shards(targets: Sequence[str], controllers: int) -> list[list[int]]:
    """Return the places in `targets` of those that each controller has, in their order."""
    held: list[list[int]] = [[] for _ in range(controllers)]
    for place, name in enumerate(targets):
        held[shard_of(name, controllers)].append(place)
    return held


def finished(durations: Iterable[float], jobs: int) -> float:
    """Return when the last one is done, if `jobs` run at a time and the next in order begins whenever one ends."""
    ends = [0.0] * jobs
    for seconds in durations:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def night(durations: Sequence[float], held: Sequence[Sequence[int]], jobs: int, *, longest_first: bool) -> float:
    """Return when the last controller is done, in seconds after all of them began."""
    orders = ([durations[place] for place in places] for places in held)
    return max(finished(sorted(order, reverse=True) if longest_first else order, jobs) for order in orders)


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return the value that this fraction of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(fraction * len(values)))]


def table(
    *, targets: int, nights: int, seed: int, window: float, durations: Durations, longest_first: bool = False
) -> list[str]:
    """Return the lines of a table: for controllers and Jobs, when 95 of 100 nights are over; bold when in time."""
    called = names(targets)
    dice = random.Random(seed)  # noqa: S311 - nothing secret is drawn
    drawn = [[durations.drawn(dice) for _ in called] for _ in range(nights)]
    lines = [
        "| controllers | largest shard | " + " | ".join(f"Jobs = {jobs}" for jobs in JOBS) + " |",
        "|---" * (len(JOBS) + 2) + "|",
    ]
    for controllers in CONTROLLERS:
        held = shards(called, controllers)
        ends = [
            percentile([night(one, held, jobs, longest_first=longest_first) for one in drawn], 0.95) for jobs in JOBS
        ]
        cells = [f"**{end / HOUR:.1f} h**" if end <= window else f"{end / HOUR:.1f} h" for end in ends]
        lines.append(f"| {controllers} | {max(map(len, held))} | " + " | ".join(cells) + " |")
    work = sum(map(sum, drawn)) / nights
    worst = percentile([max(one) for one in drawn], 0.95)
    return [
        *lines,
        "",
        f"A night has {work / HOUR:.0f} hours of work: with no time lost, {work / window:.0f} targets at a time would "
        f"fit into {window / HOUR:g} h. The longest target takes {worst / HOUR:.1f} h.",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--window", type=float, default=8.0, help="hours")
    parser.add_argument("--median", type=float, default=Durations.median, help="seconds, of most targets")
    parser.add_argument("--longest", type=float, default=Durations.longest / HOUR, help="hours, of any target")
    parser.add_argument("--longest-first", action="store_true", help="as if the config began with those")
    asked = parser.parse_args()
    durations = Durations(median=asked.median, longest=asked.longest * HOUR)
    window = asked.window * HOUR
    lines = table(
        targets=asked.targets,
        nights=asked.nights,
        seed=asked.seed,
        window=window,
        durations=durations,
        longest_first=asked.longest_first,
    )
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
