"""When a check and a prune are due: no state on C, one in each period, and those of a fleet spread over the days."""

import hashlib
import itertools
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.guard import Archive, Evidence
from borgpull.ledger import Ledger, Note, Phase
from borgpull.repository.maintenance import check_due, next_due, next_prune
from borgpull.retention import ArchiveState

DAY = 86400.0
WEEK = 7 * DAY
NOW = 1_790_000_000.0


def ledger(number: int = 0, **known) -> Ledger:
    evidence = Evidence(
        repository_id=hashlib.sha256(str(number).encode()).hexdigest(),
        key="",
        settings=(),
        transaction=9,
        live=MappingProxyType({}),
        nonce=None,
        archives=frozenset(),
        last_modified="2026-01-01T00:00:00.000000",
    )
    return Ledger(phase=Phase.CLEAN, evidence=evidence, **known)


def with_archives(*ages: float, state: ArchiveState = ArchiveState.GOOD, **known) -> Ledger:
    """A ledger with an archive for each age in days; the oldest has that state."""
    times = [datetime.fromtimestamp(NOW - age * DAY, UTC).strftime("%Y-%m-%dT%H:%M:%S") for age in ages]
    archives = [Archive(name=f"snapshot-{at}", id=hashlib.sha256(at.encode()).hexdigest(), start=at) for at in times]
    made = ledger(**known)
    notes = {archives[0].id: Note(state=state)}
    return replace(made, evidence=replace(made.evidence, archives=frozenset(archives)), notes=notes)


def pruned_from(known: Ledger, every: float) -> tuple[float, int]:
    """Return from when a run prunes under `--keep-last 1`, and how many archives."""
    target = SimpleNamespace(streams=(), prune_options=("--keep-last=1",))
    config = SimpleNamespace(prune_every=every, prune_also=())
    return next_prune(config, target, known, now=NOW)


def days_of_checks(number: int, *, days: int, every: float = WEEK) -> list[int]:
    """Run once a day, and check when it is due; return the days of the checks."""
    known, checked = ledger(number), []
    for day in range(days):
        if check_due(known, every=every, now=NOW + day * DAY):
            checked.append(day)
            known = replace(known, checked=NOW + day * DAY + 600)
    return checked


def test_a_fleet_that_began_on_one_day_is_checked_on_many():
    runs = [days_of_checks(number, days=36) for number in range(350)]
    assert all(days[0] == 0 for days in runs), "what was never checked is due"
    assert all(later - day <= 7 for days in runs for day, later in itertools.pairwise(days))
    load = Counter(day for days in runs for day in days if 8 <= day < 36)
    assert set(load) == set(range(8, 36))
    assert max(load.values()) < 2 * 350 / 7
    assert sum(load.values()) == 4 * 350, "each once a week, no more and no less"


@given(st.integers(0, 1000), st.floats(60, 366 * DAY), st.floats(0, 50))
def test_the_moment_that_is_told_is_when_it_becomes_due(number, every, periods):
    known = ledger(number, checked=NOW)
    due = next_due(known, every=every, now=NOW)
    assert NOW < due <= NOW + every + 1
    assert not check_due(known, every=every, now=NOW)
    assert check_due(known, every=every, now=due + 1)
    assert NOW + periods * every < due - 1 or check_due(known, every=every, now=NOW + (periods + 1) * every + 1)


@pytest.mark.parametrize("known", [{}, {"checked": NOW - 60, "checking": True}, {"checked": NOW + 30 * DAY}])
def test_it_is_due_when_it_never_passed_when_one_did_not_end_well_and_after_a_clock_was_wrong(known):
    assert check_due(ledger(**known), every=WEEK, now=NOW)


def test_always_and_never_are_meant():
    assert check_due(ledger(checked=NOW - 1), every=0, now=NOW)
    assert not check_due(ledger(checking=True), every=math.inf, now=NOW)


def test_what_no_rule_keeps_waits_for_the_next_period():
    known = with_archives(3, 2, 1, pruned=NOW)
    begins, to_go = pruned_from(known, WEEK)
    assert (begins, to_go) == (next_due(known, every=WEEK, now=NOW), 2)
    assert NOW < begins <= NOW + WEEK + 1
    assert pruned_from(replace(known, pruned=NOW - WEEK), WEEK) == (NOW, 2)
    assert pruned_from(replace(known, pruned=0.0), WEEK) == (NOW, 2), "a ledger from before, or a repository taken over"
    assert pruned_from(known, 0) == (NOW, 2)
    assert pruned_from(known, math.inf) == (math.inf, 2)


@pytest.mark.parametrize("state", [ArchiveState.SET_ASIDE, ArchiveState.UNJUDGED])
def test_what_was_set_aside_goes_on_its_day_unless_nothing_ever_goes(state):
    assert pruned_from(with_archives(29, 1, state=state, pruned=NOW), WEEK)[0] > NOW
    late = with_archives(31, 1, state=state, pruned=NOW)
    assert pruned_from(late, WEEK) == (NOW, 1)
    assert pruned_from(late, math.inf) == (math.inf, 1)


def test_check_and_prune_of_one_repository_begin_together():
    known = ledger(checked=NOW, pruned=NOW)
    assert pruned_from(known, WEEK)[0] == next_due(known, every=WEEK, now=NOW)
