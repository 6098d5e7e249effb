import pytest

from borgpull.errors import plural
from borgpull.format import number, percent, size, span
from borgpull.results import stamp
from borgpull.untrusted import shown


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3_400_000, "3.4 MB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_200_000_000, "1.2 GB"),
        (2**63 - 1, "9.2 EB"),
    ],
)
def test_sizes_are_decimal_and_short(count, words):
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "<1s"), (12, "12s"), (192, "3m12s"), (3599.9, "59m59s"), (7500, "2h05m"), (273600, "3d04h")],
)
def test_durations_name_their_two_largest_units(seconds, words):
    assert span(seconds) == words


def test_a_progress_says_100_only_when_all_is_done():
    assert percent(0.9999, estimated=False) == "99%"
    assert percent(1.0, estimated=False) == "100%"
    assert percent(0.42, estimated=True) == "~42%"


def test_counts_of_files_fit_their_column():
    assert [number(each) for each in (0, 9_999_999, 12_300_000)] == ["0", "9999999", "12.3M"]
    assert len(number(2**63 - 1)) <= 7


def test_times_are_rfc3339_in_utc():
    assert stamp(1_795_387_200) == "2026-11-22T22:40:00Z"
    assert stamp(1_795_387_200.25, millis=True) == "2026-11-22T22:40:00.250Z"


def test_one_target_is_not_one_targets():
    assert [plural(n, "target") for n in (0, 1, 2)] == ["0 targets", "1 target", "2 targets"]


def test_hostile_text_loses_its_escapes_and_its_length():
    assert "\x1b" not in shown("\x1b[2Jhello")
    assert len(shown("a" * 10_000)) == 500
