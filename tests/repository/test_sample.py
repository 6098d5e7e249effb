"""The files that a seed picks for a drill: the same ones every time, within limits, and none that cannot be tried."""

import asyncio
import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_item import ITEM

from borgpull.restore.drill import Sample


def picked(items, *, seed=1, size=1000, files=5):
    sample = Sample(seed=seed, size=size, files=files)
    for item in items:
        asyncio.run(sample.add(item))
    return [item.path for item in sample.picked()]


def archive(sizes):
    return [dataclasses.replace(ITEM, path=f"srv/{number}", size=size) for number, size in enumerate(sizes)]


@given(st.lists(st.integers(0, 2000), max_size=60), st.integers(0, 9))
def test_a_seed_picks_the_same_files_in_whatever_order_they_come_and_keeps_to_the_limits(sizes, seed):
    items = archive(sizes)
    chosen = picked(items, seed=seed)
    random.Random(seed).shuffle(items)
    assert picked(items, seed=seed) == chosen
    assert len(chosen) <= 5
    assert sum(item.size for item in items if item.path in chosen) <= 1000
    assert bool(chosen) == any(0 < size <= 1000 for size in sizes)


def test_another_seed_picks_other_files():
    assert len({tuple(picked(archive([10] * 100), seed=seed)) for seed in range(20)}) > 15


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "d"},
        {"kind": "l"},
        {"kind": "h"},
        {"size": 0},
        {"size": 1001},
        {"path": "srv/?"},
        {"path": "../etc/passwd"},
        {"path": "/etc/passwd"},
        {"path": "srv/../../x"},
    ],
)
def test_what_cannot_be_tried_is_never_picked(change):
    assert picked([dataclasses.replace(ITEM, **change)]) == []
