"""How backups stand, judged from a ledger: what counts as the last good archive, and what is worse than what."""

from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from borgpull.guard import Archive, Evidence
from borgpull.ledger import Ledger, Phase, RepositoryStatus
from borgpull.repository.status import status_of
from borgpull.results import Level, State, StatusReport

NOW = 1_790_000_000.0
DAY = 86400.0
OLD, A, FUTURE = (f"snapshot-2026-09-{day}T14:13:20" for day in (10, 21, 30))


def archive(name: str, age: float) -> Archive:
    started = datetime.fromtimestamp(NOW - age, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000")
    return Archive(name=name, id="ab" * 32, start=started)


def surveyed(
    *archives: Archive, phase=Phase.CLEAN, transaction=9, repository=True, holder="", **known
) -> RepositoryStatus:
    evidence = Evidence(
        repository_id="cd" * 32,
        key="",
        settings=(),
        transaction=9,
        live=MappingProxyType({}),
        nonce=None,
        archives=frozenset(archives),
        last_modified="2026-01-01T00:00:00.000000",
    )
    return RepositoryStatus(
        repository=repository,
        size=5000 if repository else None,
        transaction=transaction if repository else None,
        holder=holder,
        ledger=Ledger(phase=phase, evidence=evidence, **known),
        unreadable="",
    )


def stands(seen: RepositoryStatus, *, max_age=DAY):
    return status_of("web", seen, now=NOW, max_age=max_age)


def test_the_last_good_archive_is_the_newest_that_is_whole_and_not_from_the_future():
    told = stands(
        surveyed(
            archive(OLD, 5 * DAY),
            archive(A, 3600),
            archive(f"{A}.checkpoint", 60),
            archive(f"{A}.checkpoint.12", 30),
            archive(FUTURE, -2 * DAY),
            archive("home-2026-09-20", 5),
        )
    )
    assert (told.last.name, told.last.age, told.archives) == (A, 3600, 3)


def test_an_archive_dated_by_a_clock_that_is_a_little_ahead_is_new():
    told = stands(surveyed(archive(A, -600)))
    assert (told.state, told.last.age) == (State.OK, 0)


STREAMED = "@db-2026-11-25T10:00:00"


@pytest.mark.parametrize(
    ("streams", "state", "word"),
    [
        ({STREAMED: 5}, State.OK, ""),
        ({STREAMED: 2 * DAY}, State.STALE, "stream db is late: its last good archive is too old"),
        ({}, State.STALE, "stream db is late: it has no archive yet"),
        ({f"{STREAMED}.checkpoint": 5, "@db.sql-2026-11-25T10:00:00": 5, "@db": 5}, State.STALE, "no archive yet"),
    ],
)
def test_a_stream_that_is_late_is_told_though_the_source_paths_are_not(streams, state, word):
    archives = [archive(A, 7), *(archive(name, age) for name, age in streams.items())]
    told = status_of("web", surveyed(*archives), now=NOW, max_age=DAY, streams=("db",))
    assert (told.state, word in told.cause, told.last.name, told.archives) == (state, True, A, 1)


def test_the_archives_of_streams_do_not_stand_for_those_of_the_source_paths():
    assert stands(surveyed(archive(A, 2 * DAY), archive(STREAMED, 5))).state is State.STALE
    assert stands(surveyed(archive(STREAMED, 5))).state is State.NEVER


@pytest.mark.parametrize(("age", "state"), [(DAY - 1, State.OK), (DAY + 1, State.STALE)])
def test_an_archive_is_stale_when_it_is_older_than_was_asked(age, state):
    assert stands(surveyed(archive(A, age))).state is state


def test_an_archive_that_is_not_ours_is_not_the_last_good_one():
    assert stands(surveyed(archive(A, 50), archive("\x1b[2Ja", 5))).last.name == A


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (surveyed(archive(A, 2 * DAY), phase=Phase.CLOSED, cause="its repository was tampered with"), State.TAMPERED),
        (
            surveyed(archive(A, 5), phase=Phase.CLOSED, cause="its repository could not be verified"),
            State.UNVERIFIABLE,
        ),
        (surveyed(archive(A, 2 * DAY), repository=False), State.TAMPERED),
        (surveyed(archive(A, 2 * DAY), transaction=11), State.STALE),
        (surveyed(archive(A, 2 * DAY), phase=Phase.OPEN), State.STALE),
        (surveyed(archive(f"{A}.checkpoint", 5)), State.NEVER),
        (surveyed(archive(A, 5), transaction=11), State.CHANGED),
        (surveyed(archive(A, 5), transaction=None), State.CHANGED),
        (surveyed(archive(A, 5), phase=Phase.OPEN, transaction=11), State.INTERRUPTED),
        (surveyed(archive(A, 5), phase=Phase.MAINTENANCE, transaction=11), State.INTERRUPTED),
    ],
)
def test_the_worst_that_can_be_said_is_said(seen, state):
    told = stands(seen)
    assert told.state is state
    assert told.cause
    assert told.hint


@pytest.mark.parametrize("phase", [Phase.CLEAN, Phase.OPEN, Phase.MAINTENANCE])
def test_a_run_that_is_at_work_is_nothing_to_worry_about(phase):
    told = stands(surveyed(archive(A, 5), phase=phase, transaction=11, holder="c1, pid 7"))
    assert (told.state, told.at_work) == (State.OK, "c1, pid 7")


def test_a_rollback_that_is_at_work_may_move_the_repository_for_a_moment():
    assert stands(surveyed(archive(A, 5), repository=False, holder="c1, pid 7")).state is State.OK


def test_growth_is_known_when_the_size_before_the_last_session_is():
    assert stands(surveyed(archive(A, 5), size_before=2000)).growth == 3000
    assert stands(surveyed(archive(A, 5), size_before=9000)).growth == -4000
    assert stands(surveyed(archive(A, 5))).growth is None


def level_of(targets) -> Level:
    return StatusReport(at=NOW, max_age=int(DAY), targets=tuple(map(stands, targets))).level


def test_the_worst_of_all_is_tampering_then_what_is_unknown_then_what_is_late():
    ok, stale = surveyed(archive(A, 5)), surveyed(archive(A, 2 * DAY))
    never, closed = surveyed(), surveyed(phase=Phase.CLOSED)
    assert level_of([ok, ok]) is Level.OK
    assert level_of([ok, stale]) is Level.WARNING
    assert level_of([stale, never, ok]) is Level.UNKNOWN
    assert level_of([never, closed, stale]) is Level.CRITICAL
    assert level_of([]) is Level.OK
