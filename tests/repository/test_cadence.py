"""When `borg check` is due: no state on C, one check in each period, and a fleet's checks spread over the days."""

import hashlib
import itertools
import math
from collections import Counter
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.guard import Evidence
from borgpull.ledger import Ledger, Phase
from borgpull.repository.maintenance import check_due, next_check

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
    due = next_check(known, every=every, now=NOW)
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
