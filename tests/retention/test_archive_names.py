"""The names of archives: each is of its own series and of no other."""

import pytest

from borgpull.retention import archives as archive_names

STREAMS = ("db", "db-2", "db.sql", "d", "b", "2026-11-25T10", "db-2026-11-25T10.00.00")
NOW = 1_790_000_000.0


def test_the_names_of_the_source_paths_are_those_of_the_ancestor():
    assert archive_names.archive_name(NOW) == "snapshot-2026-09-21T14:13:20"
    assert archive_names.archive_name(NOW, stream="db.sql") == "@db.sql-2026-09-21T14:13:20"


@pytest.mark.parametrize("stream", ["", *STREAMS])
def test_each_archive_is_of_its_own_series_and_no_other(stream):
    archive = archive_names.archive_name(NOW, stream=stream)
    assert (archive_names.stream_of(archive), archive_names.is_main(archive)) == (stream, not stream)


@pytest.mark.parametrize(
    "name",
    ["web-2026-09-21T14:13:20", "daily", "a@b", "-x", "{now}", "snapshot-1", "snapshot-2026-09-21T14:13:20.checkpoint"],
)
def test_whatever_else_an_archive_is_called_it_is_not_ours(name):
    assert (archive_names.is_main(name), archive_names.stream_of(name)) == (False, "")


@pytest.mark.parametrize("name", ["@db", "@-2026-09-21T14:13:20", "@db-2026-09-21T14:13:20.checkpoint", "@db-daily"])
def test_what_only_looks_like_an_archive_of_a_stream_is_of_none_and_is_left_alone(name):
    assert (archive_names.is_main(name), archive_names.stream_of(name)) == (False, "")
