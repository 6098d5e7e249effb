"""The decision on each archive of a repository. Only good archives take places of the rules.

So nobody who makes a run fail changes what becomes of a good archive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from ..untrusted import clean
from .archives import Archive, ArchiveState, Decision, Retention, is_checkpoint, moment, series_of
from .rules import Rules, kept_by_rules

DAYS_SET_ASIDE = 30
MOST_SET_ASIDE = 5
_SECONDS_SET_ASIDE = DAYS_SET_ASIDE * 86400
# Kept or not, and why.
_Outcome = tuple[Archive, bool, str]


def decide(
    archives: Iterable[Archive], rules: Rules, *, now: float, streams: Collection[str] = (), also: Collection[str] = ()
) -> Retention:
    """Decide on all archives of a repository at `now`, unix seconds.

    `streams` are the streams that the config has for the target, `also` the prefixes of `PruneAlso`. The newest good
    archive of a series never goes, whatever the rules say.
    """
    series: dict[str | None, list[Archive]] = {}
    for archive in sorted(archives, key=lambda archive: archive.age_order, reverse=True):
        series.setdefault(series_of(archive.name, streams=streams, also=also), []).append(archive)
    foreign = series.pop(None, [])
    decisions = [Decision(archive=each, series=None, kept=True, rule="not borgpull's: left alone") for each in foreign]
    decisions += [
        Decision(archive=archive, series=name, kept=kept, rule=rule)
        for name, members in series.items()
        for archive, kept, rule in _one_series(members, rules, now=now)
    ]
    return Retention(decisions=tuple(sorted(decisions, key=lambda decision: decision.archive.age_order)))


def _one_series(archives: Sequence[Archive], rules: Rules, *, now: float) -> Iterator[_Outcome]:
    finished = [archive for archive in archives if not is_checkpoint(archive.name)]
    good = [archive for archive in finished if archive.state is ArchiveState.GOOD]
    judged = list(_good(good, rules, now=now))
    yield from judged
    yield from _checkpoints([archive for archive in archives if is_checkpoint(archive.name)], good)
    held = {path for archive, kept, _ in judged if kept for path in archive.paths or ()}
    yield from _set_aside([archive for archive in finished if archive.state is not ArchiveState.GOOD], held, now=now)


def _good(good: Sequence[Archive], rules: Rules, *, now: float) -> Iterator[_Outcome]:
    kept = kept_by_rules(good, rules, now=now)
    if good:
        kept.setdefault(good[0].name, "newest good archive")
    for archive in good:
        yield archive, archive.name in kept, kept.get(archive.name, "no rule keeps it")


def _checkpoints(checkpoints: Sequence[Archive], good: Sequence[Archive]) -> Iterator[_Outcome]:
    """Keep the newest when no newer archive is good, so that an interrupted backup can go on.

    Borg does so too (1.2.4, 1.4.5), but it takes any newer archive as finished, also one that was set aside.
    """
    for place, archive in enumerate(checkpoints):
        if good and archive.age_order < good[0].age_order:
            yield archive, False, "unfinished, and a newer one is finished"
        elif place:
            yield archive, False, "unfinished, and so is a newer one"
        else:
            yield archive, True, "unfinished; newer than the last good one" if good else "unfinished; none is good yet"


def _set_aside(aside: Sequence[Archive], held: set[str], *, now: float) -> Iterator[_Outcome]:
    """Remove the old ones and all but the newest few, but never the only one that holds a source path.

    `held` are the source paths in the good archives that stay. Unjudged archives leave by the same rule.
    """
    newest = [archive for archive in aside[:MOST_SET_ASIDE] if not _is_old(archive, now=now)]
    held = held.union(*(archive.paths or () for archive in newest))
    for archive in aside:
        alone = (archive.paths or frozenset()) - held
        if archive in newest:
            until = moment(archive.started + _SECONDS_SET_ASIDE)
            yield archive, True, f"{_why_no_backup(archive)}; goes after {until:%Y-%m-%d}"
        elif alone:
            held |= alone
            yield archive, True, f"{_why_no_backup(archive)}; no other one holds {clean(min(alone), longest=80)}"
        elif _is_old(archive, now=now):
            yield archive, False, f"{archive.state.value} for more than {DAYS_SET_ASIDE} days"
        else:
            yield archive, False, f"more than {MOST_SET_ASIDE} set aside"


def _is_old(archive: Archive, *, now: float) -> bool:
    return now - archive.started > _SECONDS_SET_ASIDE


def _why_no_backup(archive: Archive) -> str:
    if archive.state is ArchiveState.UNJUDGED:
        return f"unjudged: {clean(archive.reason) or 'its run ended before'}"
    return f"{archive.state.value}: {clean(archive.reason)}" if archive.reason else archive.state.value
