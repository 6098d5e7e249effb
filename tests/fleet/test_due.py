"""When a target with Every is due: a timer of fifteen minutes tries none more often than it should."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.events import Outcome
from borgpull.fleet.due import FIRST_PAUSE, next_attempt
from borgpull.ledger import Entry

HOUR = 3600.0
EVERY = 20 * HOUR
TICK = 900.0


def run(outcome, at, *, created=False):
    return Entry(what="run", outcome=outcome, at=at, created=created)


@pytest.mark.parametrize(
    ("history", "due"),
    [
        ([], 0),
        ([run("done", 100)], 100 + EVERY),
        ([run("held", 100)], 100 + EVERY),
        ([run("failed", 100, created=True)], 100 + EVERY),
        ([run("failed", 100)], 100 + FIRST_PAUSE),
        ([run("done", 100), run("failed", 90_000)], 90_000 + FIRST_PAUSE),
        ([run("failed", 100), run("failed", 1000)], 1000 + 2 * FIRST_PAUSE),
        ([run("failed", 100 + each) for each in range(8)], 107 + EVERY),
        ([run("failed", 100), run("done", 200)], 200 + EVERY),
        ([run("done", 100), run("interrupted", 200)], 100 + EVERY),
        ([run("done", 100), run("busy", 200)], 100 + EVERY),
        ([run("done", 100), Entry(what="accept", at=200)], 100 + EVERY),
    ],
)
def test_from_when_the_next_attempt_is_due(history, due):
    assert next_attempt(history, every=EVERY) == due


def attempts(ends, *, days=2):
    """Play a timer of fifteen minutes with a simulated clock; `ends` says how an attempt at a time ends."""
    history, tried = [], []
    for tick in range(int(days * 24 * HOUR / TICK)):
        now = 1e9 + tick * TICK
        if now >= next_attempt(history[-8:], every=EVERY):
            outcome, created = ends(now - 1e9)
            tried.append(now - 1e9)
            if outcome != Outcome.ABSENT:
                history.append(run(outcome, now, created=created))
    return tried


def test_one_that_works_is_tried_every_twenty_hours():
    assert attempts(lambda _: ("done", True)) == [0, 20 * HOUR, 40 * HOUR]


def test_one_that_fails_is_tried_in_growing_distances():
    tried = attempts(lambda _: ("failed", False))
    gaps = [later - sooner for sooner, later in itertools.pairwise(tried)]
    assert gaps == sorted(gaps)
    assert gaps[0] == FIRST_PAUSE
    assert max(gaps) <= EVERY
    assert len(tried) < 12


def test_one_that_is_away_is_backed_up_soon_after_it_is_back():
    back = 30 * HOUR
    tried = attempts(lambda at: ("done", True) if at >= back else ("absent", False))
    assert len([at for at in tried if at >= back]) == 1
    assert back in tried


@given(st.lists(st.tuples(st.sampled_from([*Outcome]), st.booleans(), st.floats(0, 1e9)), max_size=8))
def test_it_is_never_put_off_for_longer_than_every(entries):
    history = sorted((run(outcome, at, created=created) for outcome, created, at in entries), key=lambda each: each.at)
    newest = max((entry.at for entry in history), default=0.0)
    assert next_attempt(history, every=EVERY) <= newest + EVERY
