"""Which archive is meant: the latest of the source paths, or of a stream, or the one that is named."""

import pytest

from borgpull.errors import UsageError
from borgpull.guard import Archive
from borgpull.repository import VerifiedArchives

NAMES = (
    "snapshot-2026-11-24T10:00:00",
    "@db-2026-11-25T10:00:00",
    "@db.sql-2026-11-26T10:00:00",
    "@db-2026-11-27T10:00:00.checkpoint",
)


def archives() -> VerifiedArchives:
    archives = (Archive(name=name, id=f"{n:064x}", start=f"2026-11-{24 + n}T10:00:00") for n, name in enumerate(NAMES))
    return VerifiedArchives(target="web", party="T web", archives=tuple(archives), known=None)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("latest", NAMES[0]), ("@db", NAMES[1]), ("@db.sql", NAMES[2]), (NAMES[3], NAMES[3]), (f"{1:064x}", NAMES[1])],
)
def test_the_newest_of_a_series_is_no_other_s_and_no_half_one(wanted, found):
    assert archives().chosen(wanted).name == found


@pytest.mark.parametrize("wanted", ["@", "@none", "db", "snapshot"])
def test_what_is_not_there_is_said_so(wanted):
    with pytest.raises(UsageError, match="has no archive"):
        archives().chosen(wanted)
