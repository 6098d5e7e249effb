"""What may be removed is known by its name; everything else is left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.config.model_fields import problem_with
from borgpull.config.retention import prefix as judged
from borgpull.retention import archives as names
from borgpull.retention import series_of

STREAMS = ("db", "db-2")
ALSO = ("home-", "home-old-", "mysql_")
TIME = "2024-01-31T23:59:59"


@pytest.mark.parametrize(
    ("name", "series"),
    [
        (f"snapshot-{TIME}", "snapshot-"),
        (f"snapshot-{TIME}.checkpoint", "snapshot-"),
        (f"snapshot-{TIME}.checkpoint.12", "snapshot-"),
        (f"@db-{TIME}", "@db-"),
        (f"@db-2-{TIME}.checkpoint", "@db-2-"),
        ("home-2024-01-31", "home-"),
        ("home-2024-01-31.checkpoint", "home-"),
        ("home-old-20240131", "home-old-"),
    ],
)
def test_what_is_of_a_series(name, series):
    assert series_of(name, streams=STREAMS, also=ALSO) == series


@pytest.mark.parametrize(
    "name",
    [
        f"snapshot-{TIME}Z",
        f"snapshot-{TIME}\n",
        f"snapshot-{TIME}.checkpoint.",
        f"snapshot-{TIME}.checkpoint.checkpoint",
        f"snapshot-{TIME}.1",
        f"Snapshot-{TIME}",
        f"my-snapshot-{TIME}",
        "snapshot-2024-01-31",
        "snapshot-2024-01-32T00:00:00",
        "snapshot-٢٠٢٤-01-31T00:00:00",
        f"@gone-{TIME}",
        f"@-{TIME}",
        "@db-2024-01-31",
        f"db-{TIME}",
        "home-",
        "home",
        "home-before-the-upgrade",
        "home-2024-01-31-before-the-upgrade",
        "home-2024-13-01",
        "home-202401",
        "home-20240131123000",
        "home-2024-01-31T24:00",
        "home-2024-01-31T12",
        "home-2024-01-31+01:00",
        "home-2024-01-31T12:30.5",
        "",
    ],
)
def test_what_is_left_alone(name):
    assert series_of(name, streams=STREAMS, also=ALSO) is None


@pytest.mark.parametrize("date", ["2024-01-31", "20240131"])
@pytest.mark.parametrize("gap", ["T", "_", "-", " "])
@pytest.mark.parametrize(
    "time", ["12:30", "1230", "12:30:59", "123059", "12-30-59", "12:30:59.5", "123059.123456", "12-30-59.25"]
)
@pytest.mark.parametrize("zone", ["", "Z", "+01:00", "-05:30"])
def test_dates_and_times_that_people_write(date, gap, time, zone):
    assert series_of(f"mysql_{date}{gap}{time}{zone}", also=ALSO) == "mysql_"


def test_of_two_prefixes_the_longer_one_counts():
    assert series_of("home-old-20240131", also=("home-old-", "home-")) == "home-old-"
    # To the shorter one the last date is the fraction of a second.
    both = "web-20240131-123059.20240131"
    assert series_of(both, also=("web-",)) == "web-"
    assert series_of(both, also=("web-", "web-20240131-123059.")) == "web-20240131-123059."


@pytest.mark.parametrize("prefix", ["", "@", "@db-", "snapshot-", "my-snapshot-", "{now}-", "web*-"])
def test_prefixes_that_are_refused(prefix):
    assert re.search("borgpull's|begins with `@`|empty|a pattern or placeholder", problem_with(judged, prefix) or "")


@given(st.text(min_size=1))
def test_a_prefix_takes_no_archive_of_borgpulls_own(prefix):
    if problem := problem_with(judged, prefix):
        assert len(prefix) < 10 or prefix not in problem
        return
    for stream in ("", "db", "gone"):
        own = names.archive_name(1_700_000_000, stream=stream)
        assert series_of(own, also=(prefix, own[:4])) == series_of(own)


@given(st.floats(min_value=0, max_value=4e9), st.sampled_from(["", *STREAMS]))
def test_every_archive_that_borgpull_makes_has_its_series(now, stream):
    made = names.archive_name(now, stream=stream)
    assert series_of(made, streams=STREAMS) == (f"@{stream}-" if stream else "snapshot-")


@given(st.text())
def test_any_name_has_an_answer(name):
    assert series_of(name, streams=STREAMS, also=ALSO) in {None, "snapshot-", "@db-", "@db-2-", *ALSO}
