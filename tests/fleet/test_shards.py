"""Shards: whatever the names, each target has exactly one controller, and another controller moves few."""

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.errors import UsageError
from borgpull.fleet import Shard, read_shard, shard_of

NAMES = st.text(min_size=1, max_size=100)
COUNTS = st.integers(1, 50)


@given(NAMES, COUNTS)
def test_each_target_has_exactly_one_of_the_controllers(name, count):
    owners = [shard for index in range(count) if (shard := Shard(index, count)).has(name)]
    assert owners == [Shard(shard_of(name, count), count)]


@given(NAMES, COUNTS)
def test_one_more_controller_takes_targets_over_and_no_other_moves(name, count):
    before, after = shard_of(name, count), shard_of(name, count + 1)
    assert after in {before, count}


@given(NAMES, COUNTS)
def test_a_config_saved_in_another_unicode_form_moves_nothing(name, count):
    assert len({shard_of(unicodedata.normalize(form, name), count) for form in ("NFC", "NFD")}) == 1


def test_the_fifth_controller_takes_a_fifth_and_all_have_about_the_same():
    names = [f"host{number}.example.org" for number in range(10_000)]
    moved = sum(shard_of(name, 4) != shard_of(name, 5) for name in names)
    assert 1_880 < moved < 2_120, "2,000 and three standard deviations"
    held = Counter(shard_of(name, 5) for name in names)
    assert all(1_880 < held[index] < 2_120 for index in range(5))


# As `printf 'I/NAME' | sha256sum` has them in order: the largest is the owner.
@pytest.mark.parametrize(
    ("name", "shards"),
    [("web1", [0, 1, 1, 1, 6]), ("db1", [0, 0, 2, 2, 6]), ("gööd 備份", [0, 0, 2, 2, 2])],
)
def test_the_hash_is_the_same_in_all_versions(name, shards):
    assert [shard_of(name, count) for count in (1, 2, 3, 4, 8)] == shards


@pytest.mark.parametrize("text", ["0/1", "2/3", "999/1000"])
def test_shards_are_counted_from_0(text):
    shard = read_shard(text)
    assert f"{shard.index}/{shard.count}" == text


@pytest.mark.parametrize(
    "text", ["", "3", "3/3", "1/0", "0/1001", "-1/3", "1/3/5", " 1/3", "٣/٤", "a/b", "$(JOB_COMPLETION_INDEX)/4"]
)
def test_what_names_no_shard_is_an_error_that_says_how_to_write_one(text):
    with pytest.raises(UsageError) as error:
        read_shard(text)
    assert "--shard" in error.value.cause
    assert "counted from 0" in error.value.hint
