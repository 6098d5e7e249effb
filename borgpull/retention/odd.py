"""Whether an archive is odd: it differs from the good ones before it as an honest night hardly ever does.

Pure: facts are given, findings are the answer. It reads no repository, no config and no clock, and it holds nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..hostile import clean

# Fewer archives show no habit.
_LEAST_GOOD = 3
# Below these one rotated log, one emptied folder or one rewritten file is half of everything.
_LEAST_FILES = 20
_LEAST_BYTES = 1_000_000
# Only what also lies below this part of the usual night shrank: a full dump of one night may be gone the next day.
_USUAL = 0.8
_SOLID = frozenset({"folder", "file", "other"})


class Oddity(enum.Enum):
    """What is odd. The values are stored in the ledger.

    EMPTY: a source path that held something is an empty folder now. LINK: it became a link, and borg
    saves only the link. KIND: it became something else. MOUNT: it was a mount point and is none now. EXCLUDED:
    Excludes cover it. SHRUNK: files or bytes fell below ShrinkLimit. CHANGED: more than ChangeLimit of everything was
    rewritten. HOST: the host that answered has the host key of another target.
    """

    EMPTY = "empty"
    LINK = "link"
    KIND = "kind"
    MOUNT = "mount"
    EXCLUDED = "excluded"
    SHRUNK = "shrunk"
    CHANGED = "changed"
    HOST = "host"


_LASTING = frozenset({Oddity.CHANGED, Oddity.HOST})


@dataclass(frozen=True, kw_only=True)
class Source:
    """What T reported of one source path before its session.

    `kind` is folder, file, link, other or unknown. `holds`: the folder has an entry, the file a byte; None
    where that is not known, as of `mount`. `leads` is where a link points to.
    """

    path: str
    kind: str
    holds: bool | None
    mount: bool | None
    leads: str = ""
    excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one archive; a number below 0 is not known. A stream has no sources.

    `size` is in original bytes, by T's borg. `new` are the bytes that its session added to the repository, after
    compression and by B's own count, `seconds` how long that took. `keys` are fingerprints of the host keys that the
    config pins.
    """

    files: int
    size: int
    new: int
    seconds: float = 0.0
    sources: tuple[Source, ...] = ()
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """ShrinkLimit and ChangeLimit, in parts of 1; 0 is off."""

    shrink: float = 0.5
    change: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`path` is the source path, empty where the whole archive is odd. `words` are a sentence for the operator."""

    oddity: Oddity
    path: str = ""
    words: str = ""


def oddities(now: Facts, good: Sequence[Facts], *, limits: Limits, others: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return what is odd in `now`. `good` are the last good archives of its series, the newest first.

    `good` begins with the archive that the operator last accepted: with older ones, each night would be odd again.
    `others` are the fingerprints of the host keys on record for other targets.
    """
    told = [source for source in now.sources if source.kind != "unknown"]
    of_paths = [finding for source in told for finding in _of_path(source, good)]
    return (
        *of_paths,
        *_shrunk(now, good, limits.shrink),
        *_changed(now, good, limits.change),
        *_host(now, good, others),
    )


def ends(held: Collection[tuple[Oddity, str]], now: Collection[Finding]) -> frozenset[tuple[Oddity, str]]:
    """Return what of `held` ends by itself: a later archive, with the findings `now`, has again what was missing.

    No archive shows that a host or its changed bytes are right again. Ask only where the facts of `now` were known:
    what is not known is not found either.
    """
    found = {(finding.oddity, finding.path) for finding in now}
    return frozenset(pair for pair in held if pair[0] not in _LASTING and pair not in found)


def _of_path(now: Source, good: Sequence[Facts]) -> Iterator[Finding]:
    before = [each for facts in good for each in facts.sources if each.path == now.path and each.kind != "unknown"]
    kinds = _SOLID.intersection(each.kind for each in before) - {now.kind}
    saved = any(each.holds and not each.excluded for each in before)
    path = clean(now.path)
    if saved and now.holds is False and now.kind == "folder":
        words = f"{path} held something before and is an empty folder now"
        yield Finding(oddity=Oddity.EMPTY, path=now.path, words=words)
    elif kinds and now.kind == "link":
        words = f"{path} was a {min(kinds)} before and is a link to {clean(now.leads)} now: borg saves only the link"
        yield Finding(oddity=Oddity.LINK, path=now.path, words=words)
    elif kinds and now.kind in _SOLID:
        words = f"{path} was a {min(kinds)} before and is a {now.kind} now"
        yield Finding(oddity=Oddity.KIND, path=now.path, words=words)
    if now.mount is False and any(each.mount for each in before):
        words = f"{path} was a mount point before and is none now: check that its disk is mounted"
        yield Finding(oddity=Oddity.MOUNT, path=now.path, words=words)
    if saved and now.excluded:
        yield Finding(oddity=Oddity.EXCLUDED, path=now.path, words=f"Excludes cover {path}: borg saves nothing of it")


def _shrunk(now: Facts, good: Sequence[Facts], limit: float) -> Iterator[Finding]:
    left = []
    if best := _fallen_from(now.files, (each.files for each in good), limit, least=_LEAST_FILES):
        left.append(f"{now.files} of {best} files")
    if best := _fallen_from(now.size, (each.size for each in good), limit, least=_LEAST_BYTES):
        left.append(f"{_bytes(now.size)} of {_bytes(best)}")
    if left:
        words = f"only {' and '.join(left)} came, less than {limit:.0%} of the best of the last good archives"
        yield Finding(oddity=Oddity.SHRUNK, words=words)


def _fallen_from(now: int, good: Iterable[int], limit: float, *, least: int) -> int:
    """Return the best of `good` when `now` is below the limit, otherwise 0."""
    known = sorted(count for count in good if count >= 0)
    if now < 0 or len(known) < _LEAST_GOOD or known[-1] < least:
        return 0
    fell = now < limit * known[-1] and now < _USUAL * known[len(known) // 2]
    return known[-1] if fell else 0


def _changed(now: Facts, good: Sequence[Facts], limit: float) -> Iterator[Finding]:
    """Find that more than the limit was rewritten of what usually stays, by a target that never rewrote so much."""
    known = [each for each in good if each.size >= 0 and each.new >= 0]
    if not limit or len(known) < _LEAST_GOOD or min(now.size, now.new) < _LEAST_BYTES:
        return
    part = _rewritten(now, known)
    if part <= limit:
        return
    habit = max(_rewritten(each, known[place:]) for place, each in enumerate(known[:-1], start=1))
    if habit <= limit and part > habit + limit * (1 - habit):
        words = f"{part:.0%} of {_bytes(now.size)} was rewritten, at most {habit:.0%} in the last good archives"
        yield Finding(oddity=Oddity.CHANGED, words=words)


def _rewritten(one: Facts, older: Sequence[Facts]) -> float:
    """Return the part of 1 that is new although the archive did not grow by it.

    Growth rewrites nothing; so the first archive is no habit. Honest data that is laid out anew compresses to half or
    less (text and programs, lz4 to zstd), what was encrypted does not at all.
    """
    growth = max(0, one.size - max(each.size for each in older))
    return max(0, one.new - growth) / max(1, one.size)


def _host(now: Facts, good: Sequence[Facts], others: Collection[str]) -> Iterator[Finding]:
    before = next((each.keys for each in good if each.keys), now.keys)
    if before.isdisjoint(now.keys) and (theirs := now.keys.intersection(others)):
        words = f"the host that answered has the host key of another target: {clean(min(theirs))}"
        yield Finding(oddity=Oddity.HOST, words=words)


def _bytes(count: int) -> str:
    value, unit = float(count), 0
    while value >= 999.5 and unit < 6:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB')[unit]}"
