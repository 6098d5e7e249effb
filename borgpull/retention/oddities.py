"""Whether an archive is odd: it differs from the good ones before it as an honest night hardly ever does.

Pure: facts are given, findings are the answer. It reads no repository, no config and no clock, and it holds nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ..format import size
from ..untrusted import clean

# Fewer archives show no habit.
_LEAST_GOOD = 3
# Below these one rotated log, one emptied folder or one rewritten file is half of everything.
_LEAST_FILES = 50
_LEAST_BYTES = 3_500_000
# What one file, and borg itself, may add to any archive.
_NOISE = 1_000_000
# Nothing shrank that came back to this part of the usual night: what was unpacked for some nights is gone again.
_USUAL = 0.8
_SOLID = frozenset({"folder", "file", "other"})


class Oddity(enum.Enum):
    """What is odd. The values are stored in the ledger.

    EMPTY: a source path that held something is an empty folder now, or is not there. LINK: it became a link, and borg
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
    """What the target reported about one source path before its session.

    `kind` is folder, file, link, other, nothing or unknown. `holds`: the folder has an entry, the file a byte; None
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
    """The facts of one archive, of a `stream` or of the source paths, which was `started` at that unix time.

    A number below 0 is unknown. A stream has no sources.

    `size` is in original bytes, by the target's borg. `new` are the bytes that its session added to the repository,
    compressed and by Borg's records, `seconds` how long that took. `keys` are fingerprints of the host keys that the
    config has for the target.
    """

    files: int
    size: int
    new: int
    stream: str = ""
    started: float = 0.0
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

    What the operator accepted is one of them, so it is not odd again. `others` are the fingerprints of the host keys
    on record for other targets.
    """
    reported = [source for source in now.sources if source.kind != "unknown"]
    of_paths = [finding for source in reported for finding in _of_path(source, good)]
    return (
        *of_paths,
        *_shrunk(now, good, limits.shrink),
        *_changed(now, good, limits.change),
        *_host(now, good, others),
    )


def ends(held: Collection[tuple[Oddity, str]], now: Facts, found: Collection[Finding]) -> frozenset[tuple[Oddity, str]]:
    """Return what of `held` ends by itself: a later archive has again what was missing, by its facts and findings.

    No archive shows that a host or its changed bytes are right again.
    """
    still = {(finding.oddity, finding.path) for finding in found}
    return frozenset(pair for pair in held if pair not in still and _is_known(pair, now))


def _is_known(pair: tuple[Oddity, str], now: Facts) -> bool:
    """Tell whether the facts would show it: what is not known is not found either."""
    oddity, path = pair
    if oddity is Oddity.SHRUNK:
        return now.files >= 0 and now.size >= 0
    reported = [source for source in now.sources if source.path == path and source.kind != "unknown"]
    known = {Oddity.MOUNT: "mount", Oddity.EMPTY: "holds"}.get(oddity, "kind")
    return oddity not in _LASTING and any(getattr(source, known) is not None for source in reported)


def _of_path(now: Source, good: Sequence[Facts]) -> Iterator[Finding]:
    """Compare with that very path in the good ones, back to the newest that was as now: somebody accepted that."""
    before = [each for facts in good for each in facts.sources if each.path == now.path and each.kind != "unknown"]
    path = clean(now.path)
    kinds = _SOLID.intersection(each.kind for each in _since(before, lambda each: each.kind == now.kind))
    if _is_empty(now) and any(map(_is_saved, _since(before, _is_empty))):
        state = "is an empty folder" if now.kind == "folder" else "is not there"
        yield Finding(oddity=Oddity.EMPTY, path=now.path, words=f"{path} held something before and {state} now")
    elif kinds and now.kind == "link":
        words = f"{path} was a {min(kinds)} before and is a link to {clean(now.leads)} now: borg saves only the link"
        yield Finding(oddity=Oddity.LINK, path=now.path, words=words)
    elif kinds and now.kind in _SOLID:
        words = f"{path} was a {min(kinds)} before and is a {now.kind} now"
        yield Finding(oddity=Oddity.KIND, path=now.path, words=words)
    if now.mount is False and before and before[0].mount:
        words = f"{path} was a mount point before and is none now: check that its disk is mounted"
        yield Finding(oddity=Oddity.MOUNT, path=now.path, words=words)
    if now.excluded and any(map(_is_saved, _since(before, lambda each: each.excluded))):
        yield Finding(oddity=Oddity.EXCLUDED, path=now.path, words=f"Excludes cover {path}: borg saves nothing of it")


def _since(before: Iterable[Source], as_now: Callable[[Source], bool]) -> Iterator[Source]:
    return takewhile(lambda each: not as_now(each), before)


def _is_empty(source: Source) -> bool:
    return source.holds is False and source.kind in {"folder", "nothing"}


def _is_saved(source: Source) -> bool:
    return bool(source.holds) and not source.excluded


def _shrunk(now: Facts, good: Sequence[Facts], limit: float) -> Iterator[Finding]:
    left = []
    if best := _fallen_from(now.files, [each.files for each in good], limit, _LEAST_FILES):
        left.append(f"{now.files} of {best} files")
    if best := _fallen_from(now.size, [each.size for each in good], limit, _LEAST_BYTES):
        left.append(f"{size(now.size)} of {size(best)}")
    if left:
        words = f"only {' and '.join(left)} came, less than {limit:.0%} of the best of the last good archives"
        yield Finding(oddity=Oddity.SHRUNK, words=words)


def _fallen_from(now: int, good: Sequence[int], limit: float, least: int) -> int:
    """Return the best count since the last fall that was accepted when `now` is below the limit of it, otherwise 0."""
    known = [count for count in good if count >= 0]
    if now < 0 or not _best_before_fall(now, known, limit, least):
        return 0
    since: list[int] = []
    for count in reversed(known):
        since = [count] if _best_before_fall(count, since, limit, least) else [*since, count]
    return _best_before_fall(now, since, limit, least)


def _best_before_fall(now: int, known: Sequence[int], limit: float, least: int) -> int:
    if len(known) < _LEAST_GOOD:
        return 0
    best, usual = max(known), sorted(known)[len(known) // 2]
    as_usual = _USUAL * usual <= now <= usual / _USUAL
    return best if usual >= least and now < limit * best and not as_usual else 0


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
        words = f"{size(now.new)} of {size(now.size)} are new, at most {habit:.0%} were in the last good archives"
        yield Finding(oddity=Oddity.CHANGED, words=words)


def _rewritten(one: Facts, older: Sequence[Facts]) -> float:
    """Return the part of 1 that is new although the archive did not grow by it.

    Growth rewrites nothing; so the first archive is no habit. Honest data that is laid out anew compresses to half or
    less (text and programs, lz4 to zstd), what was encrypted does not at all.
    """
    growth = max(0, one.size - max(each.size for each in older))
    return max(0, one.new - growth - _NOISE) / max(1, one.size)


def _host(now: Facts, good: Sequence[Facts], others: Collection[str]) -> Iterator[Finding]:
    before = next((each.keys for each in good if each.keys), now.keys)
    if before.isdisjoint(now.keys) and (theirs := now.keys.intersection(others)):
        words = f"the host that answered has the host key of another target: {clean(min(theirs))}"
        yield Finding(oddity=Oddity.HOST, words=words)
