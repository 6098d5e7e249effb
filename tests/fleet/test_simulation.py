"""scripts/simulate.py: its nights are what borgpull would make of such targets, and docs/scale.md shows them."""

import importlib.util
import random
import subprocess
import sys
from statistics import median

import pytest

from borgpull.fleet import shard_of
from world import ROOT

TOOL = ROOT / "scripts" / "simulate.py"


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate", TOOL)
    module = sys.modules["simulate"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("durations", "jobs", "end"),
    [([5], 4, 5), ([1, 2, 3], 1, 6), ([1, 1, 1, 9], 2, 10), ([9, 1, 1, 1], 2, 9), ([], 3, 0)],
)
def test_the_next_target_begins_when_a_slot_is_free(simulate, durations, jobs, end):
    assert simulate.finished(durations, jobs) == end


def test_the_last_controller_ends_the_night_and_the_long_ones_may_come_first(simulate):
    assert simulate.night([1, 1, 9, 5], [[0, 1, 2], [3]], 2, longest_first=False) == 10
    assert simulate.night([1, 1, 9, 5], [[0, 1, 2], [3]], 2, longest_first=True) == 9


def test_every_target_is_on_the_controller_that_would_back_it_up(simulate):
    called = simulate.names(300)
    held = simulate.shards(called, 4)
    assert sorted(place for places in held for place in places) == list(range(300))
    assert all(shard_of(called[place], 4) == index for index, places in enumerate(held) for place in places)


def test_durations_are_as_the_page_says(simulate):
    dice = random.Random(1)
    drawn = [simulate.Durations().drawn(dice) for _ in range(20_000)]
    assert 170 < median(drawn) < 195
    assert max(drawn) == 4 * 3600
    assert 0.89 < sum(seconds < 600 for seconds in drawn) / len(drawn) < 0.93


def test_the_page_shows_what_the_command_prints():
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True, check=True)
    assert done.stdout in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
