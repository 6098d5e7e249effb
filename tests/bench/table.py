"""Measures borgpull against plain borg on this machine, in one go, and prints ratios: `make bench`.

Medians of ROUNDS rounds; what is compared takes turns within each round, so that a busy minute hits both alike.
With words, only the parts named: `table.py night create fleets link cache footprint screen`. Wants a machine that
has nothing else to do.
"""

import contextlib
import functools
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts"), str(ROOT)]

from bench.fleets import Script, plant_small  # noqa: E402
from bench.night import WAYS, Night, measured  # noqa: E402
from bench.relay import relay_to  # noqa: E402
from bench.screen import share_of_a_core  # noqa: E402
from bench.usage import seconds_of  # noqa: E402
from bench.ways import GCM, Ways, fill, plain_speed, run_of, speed_under_way, through  # noqa: E402
from lab import Spot  # noqa: E402
from support import World, loopback_world  # noqa: E402
from support.reading import only  # noqa: E402

ROUNDS = 5
MEGABYTES = 600
GIB = 1024**3
FLEETS = (1, 4, 16)
SMALL_FILES = 1000
MANY_FILES = 50_000
# Seconds, and how many targets: four at once get more through a short one than two cores can prepare.
LINKS = ((0.05, 1), (0.05, 4), (0.2, 4))
LINK_MEGABYTES = 200
# What a channel of ssh has in flight at the most (OpenSSH 7.4 to 10.5).
WINDOW = 2 * 1024 * 1024
NIGHT_FILES = 20_000
FLEET, FLEET_FILES, FLEET_JOBS = 20, 2_000, 8
# Seconds, there and back: 50 ms each way.
NIGHT_ROUND_TRIP = 0.1


def medians(ways: Mapping[str, Callable[[], float]], *, rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median of each way; they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
            print(f"round {number + 1}: {name}: {taken[name][-1]:.2f}", file=sys.stderr, flush=True)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    head = list(head)
    print(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


@contextlib.contextmanager
def filled_world(targets: Iterable[str] = ("web",), *, megabytes: int = MEGABYTES) -> Iterator[World]:
    with loopback_world(list(targets), planted=False, check_every="", prune_every="") as world:
        for target in world.targets:
            fill(target.source, megabytes=megabytes)
        yield world


def night() -> None:
    """A night with borgpull beside scripts: nothing changed, the same with a slow link to each host, a first run."""
    with small_world(["t0"], files=NIGHT_FILES) as world:
        near = night_of("nothing changed", Night(world))
        night_of("first run", Night(world), first=True)
        with contextlib.ExitStack() as stack:
            hosts = (world.lab.server, world.targets[0].host)
            ports = {host.name: stack.enter_context(relay_to(host.port, round_trip=NIGHT_ROUND_TRIP)) for host in hosts}
            far = night_of("nothing changed, 50 ms each way", Night(world, ports=ports))
    trips = {way: (far[way] - near[way]) / NIGHT_ROUND_TRIP for way in near}
    table(("way", "round trips"), [(way, f"{count:.0f}") for way, count in trips.items()])
    names = [f"t{number}" for number in range(FLEET)]
    with small_world(names, files=FLEET_FILES) as world:
        night_of(f"{FLEET} targets, {FLEET_JOBS} side by side", Night(world, jobs=FLEET_JOBS))


def night_of(title: str, night: Night, *, first: bool = False) -> dict[str, float]:
    """Measure each way, and print its seconds and those of the CPU; with `first` each run makes its repository."""
    ways: dict[str, Callable[[], None]] = {"borgpull": night.borgpull}
    ways |= {way: functools.partial(night.script, way) for way in WAYS}
    spent: dict[str, list[float]] = {way: [] for way in ways}

    def once(way: str) -> float:
        if first:
            night.forget()
        seconds, busy = measured(ways[way])
        spent[way].append(busy)
        return seconds

    if not first:
        for warm in ways.values():
            warm()
            warm()
    found = medians({way: functools.partial(once, way) for way in ways})
    cpu = {way: statistics.median(seconds) for way, seconds in spent.items()}
    rows = [
        (
            way,
            f"{found[way]:.2f}",
            f"{found['borgpull'] / found[way]:.2f}",
            f"{cpu[way]:.1f}",
            f"{cpu['borgpull'] / cpu[way]:.2f}",
        )
        for way in ways
    ]
    table((title, "seconds", "borgpull, relative to it", "CPU, s", "borgpull, relative to it"), rows)
    return found


@contextlib.contextmanager
def small_world(names: Iterable[str], *, files: int) -> Iterator[World]:
    server = Spot(name="B", sshd_lines=("MaxStartups 100",))
    with loopback_world(list(names), server=server, planted=False, check_every="7d") as world:
        for target in world.targets:
            plant_small(target.source, files=files)
        yield world


def create() -> None:
    """(a) `borg create` on its three ways, and (c) the CPU of ssh on C for both legs, against a push's one leg."""
    spent: dict[str, list[float]] = {"ssh of the push, AES-GCM": [], "both ssh masters of C": [], "borgpull itself": []}

    def pushed(ways: Ways) -> float:
        seconds, one_leg = ways.pushed(cipher=GCM)
        spent["ssh of the push, AES-GCM"].append(one_leg)
        return seconds

    def pulled(ways: Ways) -> float:
        seconds, masters, own = ways.pulled()
        spent["both ssh masters of C"].append(masters)
        spent["borgpull itself"].append(own)
        return seconds

    with filled_world() as world:
        ways = Ways(world)
        found = medians(
            {
                "local": ways.local,
                "pushed, default cipher": lambda: ways.pushed()[0],
                "pushed, AES-GCM": lambda: pushed(ways),
                "pulled": lambda: pulled(ways),
            }
        )
    table(
        ("create, 600 MB of random data", "seconds", "pulled against it"),
        [(name, f"{seconds:.2f}", f"{found['pulled'] / seconds:.2f}") for name, seconds in found.items()],
    )
    per_gib = MEGABYTES * 1_000_000 / GIB
    cpu = {who: statistics.median(seconds) / per_gib for who, seconds in spent.items()}
    one_leg = cpu["ssh of the push, AES-GCM"]
    table(
        ("CPU during `create`", "s/GiB", "against the push's"),
        [(who, f"{seconds:.2f}", f"{seconds / one_leg:.2f}") for who, seconds in cpu.items()],
    )


def fleets() -> None:
    """(b) Whole runs with nothing changed."""
    rows = []
    for count in FLEETS:
        names, server = [f"t{number}" for number in range(count)], Spot(name="B", sshd_lines=("MaxStartups 100",))
        with loopback_world(names, server=server, planted=False, check_every="", prune_every="") as world:
            for target in world.targets:
                plant_small(target.source, files=SMALL_FILES)
            script, config = Script(world), world.lab.config()
            config["Borg"]["PruneSetting"] = "--keep-last 5 --keep-daily 7"
            config["Borg"]["Jobs"] = count
            run_of(world, config)
            found = medians(
                {
                    "borgpull": lambda: seconds_of(lambda: run_of(world, config)),  # noqa: B023 - used at once
                    "borgpull --check": lambda: seconds_of(lambda: run_of(world, config, "--check")),  # noqa: B023
                    "script, one by one": lambda: seconds_of(script.one_by_one),  # noqa: B023
                    "script, side by side": lambda: seconds_of(script.side_by_side),  # noqa: B023
                }
            )
        rows += [
            (str(count), name, f"{seconds:.2f}", f"{found['borgpull'] / seconds:.2f}")
            for name, seconds in found.items()
        ]
    table(("targets", "nothing changed", "seconds", "borgpull against it"), rows)


def link() -> None:
    """(d) The same through a link with a round trip between C and B, against one channel of a plain ssh."""
    rows = []
    with filled_world(("t0", "t1", "t2", "t3"), megabytes=LINK_MEGABYTES) as world:
        for round_trip, count in LINKS:
            with relay_to(world.lab.server.port, round_trip=round_trip) as port:
                found = [_speeds(world, count, port) for _ in range(ROUNDS)]
            plain, steady, whole = (statistics.median(each) for each in zip(*found, strict=True))
            window = WINDOW / round_trip / 1024**2
            speeds = (f"{speed:.1f}" for speed in (window, plain, steady, whole))
            shares = (f"{steady / (count * one):.2f}" for one in (window, plain))
            rows.append((f"{round_trip * 1000:.0f} ms", str(count), *speeds, *shares))
    head = ["round trip", "targets", "MiB/s a window", "a plain ssh", "in all, under way", "in all, whole `create`"]
    table([*head, "of as many windows", "of as many plain ssh"], rows)


def _speeds(world: World, count: int, port: int) -> tuple[float, float, float]:
    plain = plain_speed(world, port, LINK_MEGABYTES)
    config = only(world.lab.config(), *[target.name for target in world.targets[:count]])
    through(world, config, port=port)
    told = world.lab.directory / "events"
    steps, _ = run_of(world, config, "--events", str(told))
    steady = speed_under_way(told)
    whole = sum(LINK_MEGABYTES * 1_000_000 / 1024**2 / each["create"].seconds for each in steps)
    print(f"link: {count}: {plain:.1f}, {steady:.1f}, {whole:.1f} MiB/s", file=sys.stderr, flush=True)
    # the next round shall have to send it all again
    told.unlink()
    for folder in (*world.lab.root.glob("t*"), world.lab.root / ".borgpull"):
        shutil.rmtree(folder)
    return plain, steady, whole


def cache() -> None:
    """What a prune costs on a C that has no cache of Borg's chunks yet, a throw-away one, against one that has it."""
    with loopback_world(["web"], planted=False, check_every="") as world:
        source = world.targets[0].source
        plant_small(source, files=MANY_FILES)
        config = world.lab.config()
        config["Borg"]["PruneSetting"] = "--keep-last 3"

        def pruned(*arguments: str) -> float:
            # A prune with nothing to delete costs less.
            (source / "changed").write_bytes(os.urandom(1000))
            steps, _ = run_of(world, config, *arguments)
            return steps[0]["prune"].seconds

        for _ in range(4):
            pruned()
        found = medians(
            {
                "kept": pruned,
                "gone": lambda: pruned("--cache-dir", tempfile.mkdtemp(dir=world.lab.directory)),
            }
        )
        held = sum(place.stat().st_size for place in world.cache.rglob("*") if place.is_file())
        rows = [(name, f"{seconds:.2f}", f"{seconds / found['kept']:.2f}") for name, seconds in found.items()]
    table(("cache on C", f"seconds of prune, {MANY_FILES:,} files", "against a kept one"), rows)
    print(f"\nThe cache of that repository: {held / 1e6:.1f} MB.")


def footprint() -> None:
    """(e) Memory and processes on C for each running target."""
    rows = []
    for count in FLEETS:
        with filled_world([f"t{number}" for number in range(count)], megabytes=20) as world:
            config = world.lab.config()
            config["Borg"]["Jobs"] = count
            _, seen = run_of(world, config, memory=True)
            names = ", ".join(f"{number} {name}" for name, number in sorted(seen.most.items()))
            rows.append((str(count), names, f"{seen.memory / 1e6:.0f}", f"{seen.own / 1e6:.0f}"))
    table(("targets", "processes on C at the most", "PSS, MB", "of it borgpull itself"), rows)


def screen() -> None:
    """The live table on a large terminal."""
    shares = [
        (running, statistics.median(share_of_a_core(running=running) for _ in range(ROUNDS))) for running in (8, 50)
    ]
    table(("running targets", "share of a core that the live table takes"), [(str(n), f"{s:.3f}") for n, s in shares])


PARTS = {
    "night": night,
    "create": create,
    "fleets": fleets,
    "link": link,
    "cache": cache,
    "footprint": footprint,
    "screen": screen,
}


def main(words: list[str]) -> int:
    if unknown := set(words) - set(PARTS):
        print(f"there is no part {', '.join(unknown)}: there are {', '.join(PARTS)}", file=sys.stderr)
        return 4
    for name, part in PARTS.items():
        if not words or name in words:
            part()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
