"""What stays of a series is what `borg prune` keeps of it, by the same rule: thousands of histories, both versions."""

import pytest
from histories import any_history, around_new_year, borg_chose
from hypothesis import settings

HISTORIES = 10 * settings().max_examples


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_what_stays_is_what_borg_keeps(version):
    quarters = version == "1.4"
    histories = [any_history(seed, quarters=quarters) for seed in range(HISTORIES)] + around_new_year(quarters=quarters)
    different = [
        (len(history.archives), history, chosen, kept)
        for history, kept in zip(histories, borg_chose(histories, version=version), strict=True)
        if (chosen := history.chosen()) != kept
    ]
    assert not different, f"{len(different)} differ; the smallest: {min(different, key=lambda one: one[0])}"
