import pytest
from hypothesis import given, settings
from random_events import any_events
from scenes import GB, START, board_of, done, failed, progress, reading, small_run, stream, tampered

from borgpull.errors import BACKUP_SERVER
from borgpull.events import (
    ArchiveCreated,
    ArchiveProgress,
    Estimated,
    Failed,
    Outcome,
    PercentProgress,
    RunStarted,
    Step,
    StepFinished,
    StepStarted,
    TargetFinished,
    Warned,
)
from borgpull.ui.board import KEPT, RUNNING, WAITING, Progress, closed, totals


def row_of(events, name="web1"):
    return board_of(events).rows[name]


def test_targets_stand_in_the_order_of_the_config_whoever_starts_first():
    board = board_of([RunStarted(targets=("b", "c", "a"), jobs=2, at=START), *done("a"), *done("b")])
    assert list(board.rows) == ["b", "c", "a"]
    assert [row.state for row in board.rows.values()] == ["done", WAITING, "done"]


def test_reading_without_a_last_archive_is_unknown_and_not_zero():
    row = row_of(reading("web1", read=4 * GB))
    assert row.progress is None
    assert row.left(START + 8) is None


def test_reading_is_measured_against_the_last_archive_and_marked_as_an_estimate():
    done_so_far = row_of(reading("web1", estimate=10 * GB, read=4 * GB)).progress
    assert done_so_far == Progress(fraction=0.4, estimated=True)


def test_an_estimate_stays_below_100_however_much_the_target_has_grown():
    row = row_of(reading("web1", estimate=GB, read=50 * GB))
    assert row.progress.fraction == 0.99
    assert row.left(START + 8) is None


def test_an_empty_last_archive_estimates_nothing():
    assert row_of([Estimated(target="web1", original_size=0, files=0), *reading("web1")]).progress is None


def test_a_percentage_is_real_and_belongs_to_its_step_only():
    checking = [
        StepStarted(target="web1", at=START, step=Step.CHECK),
        PercentProgress(target="web1", at=START + 8, step=Step.CHECK, current=25, total=100),
    ]
    row = row_of(checking)
    assert row.progress == Progress(fraction=0.25, estimated=False)
    assert row.left(START + 10) == pytest.approx(30)
    after = row_of([*checking, StepStarted(target="web1", at=START + 9, step=Step.PRUNE)])
    assert after.progress is None


def test_time_left_follows_the_speed():
    row = row_of(reading("web1", estimate=10 * GB, read=4 * GB, seconds=8))
    assert row.speed(START + 8) == pytest.approx(0.5 * GB)
    assert row.left(START + 8) == pytest.approx(12)


def test_speed_is_that_of_the_last_seconds_and_falls_to_zero_in_a_stall():
    slow_then_fast = [StepStarted(target="web1", at=START, step=Step.CREATE)]
    slow_then_fast += [progress("web1", at=START + n, read=n) for n in range(100)]
    slow_then_fast += [progress("web1", at=START + 100 + n / 5, read=100 + n * GB) for n in range(101)]
    row = row_of(slow_then_fast)
    assert row.speed(START + 120) == pytest.approx(5 * GB, rel=0.1)
    assert row.speed(START + 200) == 0
    assert len(row.samples) < 50


def test_a_second_attempt_starts_from_nothing():
    row = row_of([*reading("web1", read=4 * GB), StepStarted(target="web1", at=START + 20, step=Step.CREATE)])
    assert row.sizes is None
    assert [step.outcome for step in row.steps] == [None, None]


def test_a_stream_that_is_read_again_in_a_second_attempt_is_one_stream():
    first = [*stream("web1", "db", at=START), *stream("web1", "etc", at=START)]
    row = row_of([*first, *stream("web1", "db", at=START + 9)])
    assert [(each.stream, each.at) for each in row.streams] == [("etc", START + 2), ("db", START + 11)]


def test_a_target_that_says_nothing_for_a_minute_is_called_out():
    row = row_of(reading("web1", read=1, seconds=8))
    assert row.silence(START + 60) is None
    assert row.silence(START + 308) == 300


def test_a_flood_of_warnings_is_counted_and_not_kept():
    row = row_of([Warned(target="web1", at=START, text=f"file {n}") for n in range(KEPT + 50)])
    assert len(row.warnings) == KEPT
    assert row.warning_count == KEPT + 50


def test_impossible_numbers_of_a_hostile_target_stay_within_bounds():
    row = row_of([ArchiveProgress(target="web1", original_size=10**400, deduplicated_size=-5, files=0)])
    assert (row.sizes.original, row.sizes.new) == (2**63 - 1, 0)


def test_what_still_runs_when_all_ends_was_interrupted():
    events = [RunStarted(targets=("web1", "web2", "db1"), jobs=2, at=START), *done("web1"), *reading("web2")]
    board = closed(board_of(events))
    assert [row.outcome for row in board.rows.values()] == [Outcome.DONE, Outcome.INTERRUPTED, None]
    assert board.run.outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize(
    ("events", "worst"),
    [
        ([*done("web1")], Outcome.DONE),
        ([*done("web1"), Warned(text="clock is off", at=START)], Outcome.WARNING),
        ([*done("web1"), *failed("web2")], Outcome.FAILED),
        ([*failed("web2"), *tampered("db1")], Outcome.TAMPERED),
        ([Failed(party=BACKUP_SERVER, cause="connection refused", at=START)], Outcome.FAILED),
    ],
)
def test_the_worst_outcome_is_that_of_the_run(events, worst):
    assert closed(board_of(events)).run.outcome is worst


def test_a_failed_target_that_never_got_its_end_still_counts_as_failed():
    events = [event for event in tampered("db1") if not isinstance(event, TargetFinished)]
    assert closed(board_of(events)).rows["db1"].outcome is Outcome.TAMPERED


def test_totals_add_up_what_all_targets_did():
    board = board_of(small_run())
    every = totals(board.rows.values(), START + 200)
    assert every.states.total() == 3
    assert every.states == {"done": 1, "warning": 1, "failed": 1}
    assert (every.sizes.original, every.sizes.new, every.sizes.files) == (2_400_000_000, 6_800_000, 8642)
    assert sum(row.warning_count for row in board.rows.values()) == 1
    assert every.speed is None


def test_the_archive_replaces_what_progress_had_guessed():
    created = ArchiveCreated(
        target="web1", at=START + 9, name="a", archive_id="b", original_size=7, deduplicated_size=3, files=2
    )
    row = row_of([*reading("web1", read=4 * GB), created])
    assert (row.sizes.original, row.sizes.new, row.sizes.files) == (7, 3, 2)


@settings(deadline=None)
@given(any_events)
def test_any_order_of_events_adds_up(events):
    board = board_of(events)
    now = START + 500
    rows = list(board.rows.values())
    every = totals(rows, now)
    assert every.states.total() == len(rows)
    assert every.sizes.original == sum(row.sizes.original for row in rows if row.sizes)
    for row in rows:
        so_far = row.progress
        if so_far:
            assert 0 <= so_far.fraction <= 1
            assert row.state == RUNNING or row.failures
            assert not (so_far.estimated and so_far.fraction >= 1)
        assert (row.speed(now) or 0) >= 0
        assert (row.left(now) or 0) >= 0
        assert (row.elapsed(now) or 0) >= 0
    assert all(row.outcome or row.state == WAITING for row in closed(board).rows.values())


@settings(deadline=None)
@given(any_events)
def test_a_finished_step_is_finished_once(events):
    board = board_of(events)
    for name, row in board.rows.items():
        ends = [e for e in events if isinstance(e, StepFinished) and e.target == name]
        assert sum(step.outcome is not None for step in row.steps) == len(ends)
