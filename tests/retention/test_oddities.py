"""What makes an archive odd: each accident in its first night, and hardly an honest night ever."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.retention import Facts, Limits, Oddity, Source, ends, oddities
from borgpull.untrusted import clean

MB, GB, TB = 10**6, 10**9, 10**12
LIMITS = Limits()
OTHERS = frozenset({"SHA256:db", "SHA256:mail"})
DISK = Source(path="/srv/data", kind="folder", holds=True, mount=True)
ETC = Source(path="/etc", kind="folder", holds=True, mount=False)
USUAL = Facts(files=40_000, size=9 * GB, new=40 * MB, sources=(DISK, ETC), keys=frozenset({"SHA256:web"}))
DUMP = Facts(files=1, size=3 * GB, new=90 * MB)


def found(now: Facts, good: list[Facts], limits: Limits = LIMITS) -> list[tuple[Oddity, str]]:
    return [(each.oddity, each.path) for each in oddities(now, good, limits=limits, others=OTHERS)]


def said(now: Facts, good: list[Facts]) -> list[str]:
    return [each.words for each in oddities(now, good, limits=LIMITS, others=OTHERS)]


def disk(**changed) -> Facts:
    """The usual archive, but for what T reported of its disk."""
    return replace(USUAL, sources=(replace(DISK, **changed), ETC))


@pytest.mark.parametrize(
    ("now", "oddity", "words"),
    [
        (disk(holds=False), Oddity.EMPTY, "/srv/data held something before and is an empty folder now"),
        (disk(kind="nothing", holds=False), Oddity.EMPTY, "/srv/data held something before and is not there now"),
        (
            disk(kind="link", leads="/mnt/new"),
            Oddity.LINK,
            "/srv/data was a folder before and is a link to /mnt/new now: borg saves only the link",
        ),
        (
            disk(kind="link", holds=False, leads="/gone\x1b[2J"),
            Oddity.LINK,
            "/srv/data was a folder before and is a link to /gone�[2J now: borg saves only the link",
        ),
        (disk(kind="file"), Oddity.KIND, "/srv/data was a folder before and is a file now"),
        (
            disk(mount=False),
            Oddity.MOUNT,
            "/srv/data was a mount point before and is none now: check that its disk is mounted",
        ),
        (disk(excluded=True), Oddity.EXCLUDED, "Excludes cover /srv/data: borg saves nothing of it"),
    ],
)
def test_a_source_path_that_is_not_what_it_was(now, oddity, words):
    assert found(now, [USUAL]) == [(oddity, "/srv/data")]
    assert said(now, [USUAL]) == [words]
    # Also when only an older one tells of it.
    silent = replace(USUAL, sources=())
    assert found(now, [silent, disk(kind="unknown"), USUAL]) == [(oddity, "/srv/data")]


def test_a_data_disk_that_is_not_mounted():
    assert found(disk(mount=False, holds=False), [USUAL]) == [
        (Oddity.EMPTY, "/srv/data"),
        (Oddity.MOUNT, "/srv/data"),
    ]


@pytest.mark.parametrize(
    ("now", "good"),
    [
        (disk(holds=False, mount=False), []),
        (disk(kind="unknown", holds=False, mount=False), [USUAL]),
        (disk(holds=False), [disk(holds=False)]),
        (disk(kind="link"), [disk(kind="link")]),
        (disk(kind="link", leads="/mnt/new"), [disk(kind="nothing", holds=False)]),
        (disk(), [disk(kind="link", holds=False)]),
        (disk(mount=False), [disk(mount=False)]),
        (disk(), [disk(mount=False, excluded=True)]),
        (disk(excluded=True), [disk(excluded=True)]),
        (disk(excluded=True, holds=False), [disk(holds=False)]),
        (disk(path="/srv/new", holds=False, mount=False), [USUAL]),
        (replace(USUAL, sources=()), [USUAL]),
    ],
)
def test_a_source_path_that_is_as_it_was_or_better(now, good):
    assert found(now, good) == []


def numbers(*counts: tuple[int, int]) -> list[Facts]:
    """Archives of these files and bytes, the newest first."""
    return [Facts(files=files, size=size, new=MB) for files, size in counts]


@pytest.mark.parametrize(
    ("now", "good", "words"),
    [
        ((19_999, 9 * GB), [(40_000, 9 * GB)] * 3, "only 19999 of 40000 files came"),
        ((40_000, 4 * GB), [(40_000, 9 * GB)] * 3, "only 4.0 GB of 9.0 GB came"),
        ((9, 1234), [(100, 10 * MB)] * 3, "only 9 of 100 files and 1.2 kB of 10.0 MB came"),
        # To a third over three nights.
        ((10_000, 3 * GB), [(14_400, 4 * GB), (20_800, 6 * GB), (30_000, 9 * GB)], "only 10000 of 30000 files"),
        # A dump of a stream that broke off.
        ((1, 1 * GB), [(1, 3 * GB)] * 3, "only 1.0 GB of 3.0 GB came"),
    ],
)
def test_an_archive_that_shrank(now, good, words):
    assert found(*numbers(now), numbers(*good)) == [(Oddity.SHRUNK, "")]
    assert said(*numbers(now), numbers(*good))[0].startswith(words)
    assert found(*numbers(now), numbers(*good), Limits(shrink=0)) == []


@pytest.mark.parametrize(
    ("now", "good"),
    [
        ((20_000, 9 * GB), [(40_000, 9 * GB)] * 3),
        ((9, 1234), [(49, 3_499_999)] * 3),
        ((-1, -1), [(40_000, 9 * GB)] * 3),
        ((0, 0), [(40_000, 9 * GB)] * 2),
        ((0, 0), [(40_000, 9 * GB), (-1, -1), (40_000, 9 * GB)]),
        # It had few files on usual nights.
        ((10, MB), [(110, MB), (40, MB), (40, MB)]),
        # Somebody accepted that it fell.
        ((40_000, 3 * GB), [(40_000, 3 * GB), *[(40_000, 9 * GB)] * 13]),
        ((40_000, 2 * GB), [(40_000, 3 * GB), (40_000, 3 * GB), *[(40_000, 9 * GB)] * 12]),
        # A full dump that was there for a night, or for the last two Sundays.
        ((40_000, 3 * GB), [(40_000, 9 * GB), (40_000, 3 * GB), (40_000, 3 * GB), (40_000, 3 * GB)]),
        ((9, 3 * GB), [(9, 9 * GB), *[(9, 3 * GB)] * 6, (9, 9 * GB), *[(9, 3 * GB)] * 6]),
    ],
)
def test_an_archive_that_did_not_shrink(now, good):
    assert found(*numbers(now), numbers(*good)) == []


def test_ransomware_rewrites_everything_at_the_same_size():
    encrypted = replace(USUAL, new=9 * GB)
    assert found(encrypted, [USUAL] * 3) == [(Oddity.CHANGED, "")]
    assert said(encrypted, [USUAL] * 3) == ["9.0 GB of 9.0 GB are new, at most 0% were in the last good archives"]
    assert found(encrypted, [USUAL] * 3, Limits(change=0)) == []
    # The first archive, all of it new, is no habit.
    assert found(encrypted, [USUAL, USUAL, replace(USUAL, new=9 * GB)]) == [(Oddity.CHANGED, "")]


def test_the_night_after_the_encryption_ends_nothing():
    after = replace(USUAL, new=511)
    held = {(Oddity.CHANGED, "")}
    assert ends(held, after, oddities(after, [USUAL] * 3, limits=LIMITS)) == frozenset()


def rewrites(now: tuple[int, int], *good: tuple[int, int]) -> list[tuple[Oddity, str]]:
    """What is found of archives of these bytes and new bytes, the newest of the good ones first."""
    made = [Facts(files=-1, size=size, new=new) for size, new in (now, *good)]
    return found(made[0], made[1:])


@pytest.mark.parametrize(
    ("now", "good"),
    [
        # Dumps that are replaced each night, of which one is laid out anew; one that compresses; one a week.
        ((4 * MB, 4 * MB), [(4 * MB, 4 * MB)] * 14),
        ((3 * MB, 3 * MB), [(3 * MB, 1000)] * 14),
        ((4 * GB, 4 * GB), [(4 * GB, 4 * GB)] * 3),
        ((9 * GB, 3 * GB), [(9 * GB, GB)] * 14),
        ((9 * GB, 9 * GB), [*[(9 * GB, MB)] * 6, (9 * GB, 9 * GB), (9 * GB, MB)]),
        # What was half of it each night is a little more of it once.
        ((9 * GB, 5 * GB), [(9 * GB, 4 * GB)] * 14),
        # It grew; nothing was rewritten.
        ((90 * GB, 81 * GB), [(9 * GB, MB)] * 14),
        # Two good ones are too few, and what is not known tells nothing.
        ((9 * GB, 9 * GB), [(9 * GB, MB)] * 2),
        ((9 * GB, 9 * GB), [(9 * GB, MB), (9 * GB, -1), (9 * GB, MB)]),
        ((9 * GB, -1), [(9 * GB, MB)] * 3),
        ((-1, 9 * GB), [(9 * GB, MB)] * 3),
    ],
)
def test_an_archive_that_did_not_change_as_a_whole(now, good):
    assert rewrites(now, *good) == []


def test_a_mass_change_of_a_target_that_grew_or_that_rewrites_much():
    assert rewrites((10 * GB, 10 * GB), *[(9 * GB, MB)] * 3) == [(Oddity.CHANGED, "")]
    assert rewrites((9 * GB, 9 * GB), *[(9 * GB, 4 * GB)] * 3) == [(Oddity.CHANGED, "")]


def test_hosts_that_changed_places():
    swapped = replace(USUAL, keys=frozenset({"SHA256:db"}))
    assert found(swapped, [replace(USUAL, keys=frozenset()), USUAL]) == [(Oddity.HOST, "")]
    assert said(swapped, [USUAL]) == ["the host that answered has the host key of another target: SHA256:db"]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ({"SHA256:new"}, {"SHA256:web"}),
        ({"SHA256:web", "SHA256:db"}, {"SHA256:web"}),
        ({"SHA256:db"}, {"SHA256:db"}),
        ({"SHA256:db"}, set()),
        (set(), {"SHA256:web"}),
    ],
)
def test_a_host_that_is_no_other_target(now, before):
    good = [replace(USUAL, keys=frozenset(before)), replace(USUAL, keys=frozenset({"SHA256:old"}))][: 1 + bool(before)]
    assert found(replace(USUAL, keys=frozenset(now)), good) == []


def test_what_ends_by_itself():
    held = {
        (oddity, "" if oddity in {Oddity.SHRUNK, Oddity.CHANGED, Oddity.HOST} else "/srv/data") for oddity in Oddity
    }
    lasting = {(Oddity.CHANGED, ""), (Oddity.HOST, "")}
    assert ends(held, USUAL, oddities(USUAL, [USUAL] * 3, limits=LIMITS)) == held - lasting
    empty = oddities(disk(holds=False), [USUAL] * 3, limits=LIMITS)
    assert ends(held, disk(holds=False), empty) == held - lasting - {(Oddity.EMPTY, "/srv/data")}


@pytest.mark.parametrize(
    "accepted",
    [
        disk(holds=False, mount=False),
        disk(kind="nothing", holds=False, mount=False),
        disk(kind="link", holds=False, mount=False),
        disk(kind="file"),
        disk(excluded=True),
        replace(USUAL, files=9, size=GB),
        replace(USUAL, keys=frozenset({"SHA256:db"})),
        replace(USUAL, new=9 * GB),
    ],
)
def test_what_somebody_accepted_is_not_odd_again(accepted):
    good = [USUAL] * 13
    assert found(accepted, good) != []
    for _ in range(14):
        good = [accepted, *good[:13]]
        assert found(accepted, good) == []


def test_what_falls_again_after_somebody_accepted_a_fall():
    good = numbers(*[(40_000, 3 * GB)] * 3, *[(40_000, 9 * GB)] * 11)
    now = numbers((40_000, 1 * GB))[0]
    assert said(now, good) == ["only 1.0 GB of 3.0 GB came, less than 50% of the best of the last good archives"]


COUNTS = st.integers(-1, 300) | st.integers(-1, 10**15)
PATHS = st.sampled_from(["/srv/data", "/etc", "/home"])
SOURCES = st.builds(
    Source,
    path=PATHS,
    kind=st.sampled_from(["folder", "file", "link", "other", "nothing", "unknown"]),
    holds=st.booleans(),
    mount=st.booleans(),
    leads=st.text(max_size=5),
    excluded=st.booleans(),
)
KEYS = st.frozensets(st.sampled_from(["SHA256:web", "SHA256:db", "SHA256:mail"]), max_size=2)
FACTS = st.builds(
    Facts,
    files=COUNTS,
    size=COUNTS,
    new=COUNTS,
    sources=st.lists(SOURCES, max_size=3, unique_by=lambda source: source.path).map(tuple),
    keys=KEYS,
)
PARTS = st.floats(0, 1)
ANY_LIMITS = st.builds(Limits, shrink=PARTS, change=PARTS)
HISTORIES = st.lists(FACTS, max_size=14)
HELD = st.frozensets(st.tuples(st.sampled_from(Oddity), PATHS | st.just("")))


@given(FACTS, st.integers(0, 14), ANY_LIMITS)
def test_an_archive_like_all_before_it_is_never_odd(facts, nights, limits):
    assert found(facts, [facts] * nights, limits) == []


@given(FACTS, HISTORIES, HISTORIES, ANY_LIMITS)
def test_more_good_archives_never_hide_what_became_of_a_source_path(now, good, more, limits):
    def of_paths(archives):
        return {pair for pair in found(now, archives, limits) if pair[1]}

    # An older one may tell that an empty folder, which was a file, held something.
    assert {path for _, path in of_paths(good)} <= {path for _, path in of_paths([*good, *more])}
    lasting = {Oddity.EMPTY, Oddity.MOUNT, Oddity.EXCLUDED}
    assert {pair for pair in of_paths(good) if pair[0] in lasting} <= of_paths([*good, *more])


@given(FACTS, HISTORIES, ANY_LIMITS)
def test_each_finding_is_said_once_in_one_clean_line(now, good, limits):
    findings = oddities(now, good, limits=limits, others=OTHERS)
    assert len({(each.oddity, each.path) for each in findings}) == len(findings)
    assert all(each.words and each.words == clean(each.words) for each in findings)


@given(HELD, FACTS, HISTORIES, ANY_LIMITS)
def test_a_mass_change_and_another_host_never_end_by_themselves(held, now, good, limits):
    findings = oddities(now, good, limits=limits, others=OTHERS)
    ended = ends(held, now, findings)
    assert ended <= held
    assert not {oddity for oddity, _ in ended} & {Oddity.CHANGED, Oddity.HOST}
    assert ended.isdisjoint((each.oddity, each.path) for each in findings)


# Honest nights. The rates, of one target and night, are an estimate of what servers do and not a measurement.
TARGETS, NIGHTS, MOST_HELD = 250, 400, 10
GROWTH_MOST = 0.01
CHURN_MOST = 0.05
PURGE_OF_LOGS = 1 / 90
RELEASE = 1 / 21
UPDATE, UPGRADE = 1 / 7, 1 / 700
PULLED_IMAGE, PRUNED_IMAGES = 1 / 10, 1 / 60
CLEANED_CACHE = 1 / 60
DUMP_ANEW = 1 / 300
NEW_DATA_SET = 1 / 400
SCRATCH = 1 / 300
LARGE_FILE, LARGEST_FILE = 1 / 50, 8 * MB
QUEUED_FILES = 10
OUTAGE = 1 / 300
NEW_HOST_KEY = 1 / 1000
SILENT_LOOK = 1 / 500
STREAMS = 0.15
# How a target's bytes and files are shared out: weights of a Dirichlet distribution, of which any part may be most.
OF_BYTES = {"data": 4, "system": 1, "release": 0.5, "logs": 0.4, "cache": 0.4, "images": 0.4, "dump": 0.7}
OF_FILES = {"data": 5, "system": 2, "release": 1, "logs": 0.3, "cache": 0.8, "images": 0.5, "dump": 0.1}
# What is left of a byte after compression: text and programs, their mix, and what is compressed already.
TEXT, MIX, PACKED = (0.2, 0.35), (0.35, 0.7), (0.95, 1.0)
# What borg writes of its own each night.
BY_BORG = 100_000
MOST_GOOD = 14


@dataclass
class Part:
    """A part of what a target holds; `stored` is what a new byte of it takes in the repository."""

    size: float
    files: float
    stored: float
    new: float = 0

    def rewrite(self, part: float) -> None:
        self.new += self.size * part

    def grow(self, by: float) -> None:
        self.rewrite(by)
        self.keep(1 + by)

    def fill(self, part: float, full: "Part") -> None:
        """Add a part of what there is at most."""
        self.new += full.size * part
        self.size = min(full.size, self.size + part * full.size)
        self.files = min(full.files, self.files + part * full.files)

    def keep(self, part: float) -> None:
        self.size, self.files = self.size * part, self.files * part

    def take(self) -> float:
        """Return the bytes that an archive adds to the repository; what was rewritten twice comes once."""
        new, self.new = min(self.new, self.size) * self.stored, 0
        return new


class Target:
    """An honest target, of 1 MB to 5 TB, whose nights come one after the other."""

    def __init__(self, random: Random, *, stream: bool | None = None) -> None:
        self.random = random
        self.stream = random.random() < STREAMS if stream is None else stream
        self.day = random.randrange(7)
        size = 10 ** random.uniform(6, 12.7)
        files = 1 if self.stream else size / 10 ** random.uniform(3.6, 6.7)
        weights, counts = self._shares(OF_BYTES), self._shares(OF_FILES)
        self.parts = {name: Part(size * weights[name], files * counts[name], self._stored(name)) for name in OF_BYTES}
        if self.stream:
            self.parts = {"dump": Part(size, 1, self._stored("dump"))}
        self.full = {name: replace(part) for name, part in self.parts.items()}
        self.growth = GROWTH_MOST * random.random() ** 2
        self.churn = CHURN_MOST * random.random() ** 3
        # Of a plain dump most is as it was; a packed one is new as a whole, each night or each week.
        self.changed = random.uniform(0.01, 0.2) if self.parts["dump"].stored < PACKED[0] else 1.0
        self.weekly = not self.stream and random.random() < 0.3
        self.scratch, self.scratch_nights = Part(0, 0, 1), 0
        self.keys = frozenset({f"SHA256:{random.random()}"})
        self.sources = () if self.stream else (DISK, random.choice((ETC, replace(ETC, kind="file"))))

    def _shares(self, weights: dict[str, float]) -> dict[str, float]:
        drawn = {name: self.random.gammavariate(weight, 1) for name, weight in weights.items()}
        return {name: part / sum(drawn.values()) for name, part in drawn.items()}

    def _stored(self, name: str) -> float:
        kinds = {"system": (MIX,), "logs": (TEXT,), "images": (MIX,), "dump": (TEXT, PACKED)}
        return self.random.uniform(*self.random.choice(kinds.get(name, (TEXT, MIX, PACKED))))

    def happens(self, rate: float) -> bool:
        return self.random.random() < rate

    def _queued(self) -> float:
        return self.random.expovariate(1 / QUEUED_FILES)

    def night(self) -> Facts:
        """Return the archive of the next night; after an outage it has what changed in all those nights."""
        for _ in range(self.random.randint(2, 30) if self.happens(OUTAGE) else 1):
            self.day += 1
            self._dump(self.parts["dump"])
            if not self.stream:
                self._changes()
        if self.happens(NEW_HOST_KEY):
            self.keys = frozenset({f"SHA256:{self.random.random()}"})
        parts = [*self.parts.values(), self.scratch]
        return Facts(
            files=1 if self.stream else int(sum(part.files for part in parts) + self._queued()),
            size=int(sum(part.size for part in parts)),
            new=int(BY_BORG + sum(part.take() for part in parts)),
            sources=() if self.happens(SILENT_LOOK) else self.sources,
            keys=self.keys,
        )

    def _changes(self) -> None:
        data, system, release = self.parts["data"], self.parts["system"], self.parts["release"]
        data.grow(self.growth * self.random.random())
        data.rewrite(self.churn * self.random.random())
        if self.happens(NEW_DATA_SET):
            data.grow(self.random.expovariate(1))
        if self.happens(LARGE_FILE):
            # A small target has few files, and one of them is a half of it.
            data.rewrite(min(1, self.random.uniform(0, LARGEST_FILE) / data.size))
        if self.happens(RELEASE):
            release.rewrite(self.random.uniform(0.2, 1))
            release.keep(self.random.uniform(0.95, 1.06))
        if self.happens(UPDATE):
            system.rewrite(self.random.uniform(0, 0.1))
        if self.happens(UPGRADE):
            system.rewrite(self.random.uniform(0.7, 1))
            system.keep(self.random.uniform(0.9, 1.2))
        self._logs(self.parts["logs"])
        self._refilled("images", PULLED_IMAGE, PRUNED_IMAGES, (0.2, 0.9))
        self._refilled("cache", 1, CLEANED_CACHE, (0, 0.1))
        self._scratch()

    def _logs(self, logs: Part) -> None:
        logs.fill(self.random.uniform(0, 0.04), self.full["logs"])
        if self.day % 7 == 0:
            # The week's log is rotated and packed.
            logs.rewrite(0.05)
            logs.keep(0.9)
        if self.happens(PURGE_OF_LOGS):
            logs.keep(self.random.uniform(0.05, 0.6))

    def _refilled(self, name: str, rate: float, cleaned: float, left: tuple[float, float]) -> None:
        if self.happens(rate):
            self.parts[name].fill(self.random.uniform(0, 0.2), self.full[name])
        if self.happens(cleaned):
            self.parts[name].keep(self.random.uniform(*left))

    def _scratch(self) -> None:
        """Something that is unpacked, or dumped as a whole, and removed after some nights."""
        self.scratch_nights -= 1
        if self.scratch_nights == 0:
            self.scratch = Part(0, 0, 1)
        elif self.scratch_nights < 0 and self.happens(SCRATCH):
            much, self.scratch_nights = self.random.expovariate(2), self.random.randint(1, 4)
            size = sum(part.size for part in self.parts.values())
            files = sum(part.files for part in self.parts.values())
            self.scratch = Part(size * much, files * much * self.random.random(), self.random.uniform(*MIX))
            self.scratch.rewrite(1)

    def _dump(self, dump: Part) -> None:
        if self.weekly and self.day % 7:
            return
        if self.happens(NEW_DATA_SET):
            dump.grow(self.random.expovariate(1))
        dump.keep(self.random.uniform(0.995, 1.006))
        dump.rewrite(1 if self.happens(DUMP_ANEW) else self.changed)


def nights_of(target: Target) -> Iterator[tuple[Facts, list[Facts], list[tuple[Oddity, str]]]]:
    """Yield each archive, the good ones before it and what is found; what is found the operator accepts."""
    good: list[Facts] = []
    while True:
        now = target.night()
        odd = found(now, good)
        yield now, good, odd
        good = [now, *good[: MOST_GOOD - 1]]


def test_of_ten_thousand_honest_nights_at_most_one_is_held():
    held = []
    for seed in range(TARGETS):
        nights = itertools.islice(nights_of(Target(Random(seed))), NIGHTS)
        held += [(seed, night, odd, now) for night, (now, _, odd) in enumerate(nights) if odd]
    assert len(held) <= MOST_HELD, held


@dataclass(frozen=True, kw_only=True)
class Eve:
    """The night of an accident: the honest archive that would come, the good ones, and what was in the last three."""

    random: Random
    honest: Facts
    good: list[Facts]
    target: Target

    @property
    def files(self) -> int:
        return min(each.files for each in self.good[:3])

    @property
    def size(self) -> int:
        return min(each.size for each in self.good[:3])

    @property
    def replaces_itself(self) -> bool:
        """Tell whether a packed dump is nearly a half of the target or more."""
        dump = self.target.parts["dump"]
        return self.target.changed == 1 and dump.size > 0.4 * self.size

    def of_disk(self, **changed) -> Facts:
        return replace(self.honest, sources=(replace(DISK, **changed), *self.target.sources[1:]))


def eves(*, stream: bool) -> list[Eve]:
    """Return 300 of them, each after 3 nights to two months."""
    made = []
    for seed in range(300):
        random = Random(f"{stream} {seed}")
        target = Target(random, stream=stream)
        after = itertools.islice(nights_of(target), random.randint(3, 60), None)
        honest, good = next((honest, good) for honest, good, _ in after if len(good) >= 3)
        made.append(Eve(random=random, honest=honest, good=good, target=target))
    return made


def all_but(eve: Eve, part: float) -> Facts:
    left = 1 - part
    return replace(eve.honest, files=max(1, int(eve.files * left)), size=int(eve.size * left), new=BY_BORG)


def encrypted(eve: Eve) -> Facts:
    return replace(eve.honest, size=eve.good[0].size, new=int(eve.good[0].size * eve.random.uniform(1, 1.02)))


OF_PATHS = {
    "empty, not mounted": (Oddity.EMPTY, lambda eve: eve.of_disk(holds=False, mount=False)),
    "not mounted, but files below": (Oddity.MOUNT, lambda eve: eve.of_disk(mount=False)),
    "an empty folder": (Oddity.EMPTY, lambda eve: eve.of_disk(holds=False)),
    "not there": (Oddity.EMPTY, lambda eve: eve.of_disk(kind="nothing", holds=False)),
    "a link": (Oddity.LINK, lambda eve: eve.of_disk(kind="link", leads="/mnt")),
    "a dangling link": (Oddity.LINK, lambda eve: eve.of_disk(kind="link", holds=False, leads="/gone")),
    "a file": (Oddity.KIND, lambda eve: eve.of_disk(kind="file")),
    "excluded": (Oddity.EXCLUDED, lambda eve: eve.of_disk(excluded=True)),
    "swapped hosts": (Oddity.HOST, lambda eve: replace(eve.honest, keys=frozenset({"SHA256:mail"}))),
}


def test_each_accident_is_found_in_its_first_night():
    nights = eves(stream=False)
    for name, (oddity, accident) in OF_PATHS.items():
        missed = [eve for eve in nights if oddity not in dict(found(accident(eve), eve.good))]
        assert not missed, name
    large = [eve for eve in nights if eve.files >= 100 or eve.size >= 10 * MB]
    assert len(large) >= 200
    assert not [eve for eve in large if (Oddity.SHRUNK, "") not in found(all_but(eve, 0.7), eve.good)]
    at_stake = [eve for eve in nights if eve.good[0].size >= 10 * MB and not eve.replaces_itself]
    assert len(at_stake) >= 200
    assert not [eve for eve in at_stake if (Oddity.CHANGED, "") not in found(encrypted(eve), eve.good)]


def test_each_accident_of_a_stream_is_found_in_its_first_night():
    large = [eve for eve in eves(stream=True) if eve.size >= 10 * MB]
    assert len(large) >= 200
    assert not [eve for eve in large if (Oddity.SHRUNK, "") not in found(all_but(eve, 0.6), eve.good)]
    plain = [eve for eve in large if not eve.replaces_itself]
    assert len(plain) >= 50
    assert not [eve for eve in plain if (Oddity.CHANGED, "") not in found(encrypted(eve), eve.good)]


def test_files_that_shrink_to_a_third_over_three_nights_are_found():
    for eve in (eve for eve in eves(stream=False) if eve.files >= 100 or eve.size >= 10 * MB):
        good, odd = eve.good, []
        for part in (0.31, 0.52, 0.67):
            now = all_but(eve, part)
            odd += found(now, good)
            good = [now, *good]
        assert (Oddity.SHRUNK, "") in odd
