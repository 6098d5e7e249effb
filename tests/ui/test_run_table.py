import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_events import any_events, is_harmless
from rich.cells import cell_len
from rich.console import Console
from scenes import GB, START, big_run, board_of, checking, done, failed, reading

from borgpull.errors import BACKUP_SERVER
from borgpull.events import Failed, RunStarted, Step, StepStarted, Warned
from borgpull.ui.run_table import frame


def lines_of(events, *, width=80, height=24, now=START + 9):
    made = frame(board_of(events), now=now, width=width, height=height)
    return ["".join(segment.text for segment in line) for line in made.lines]


def test_a_wide_screen_has_every_column():
    header = lines_of(big_run(), width=160)[0]
    titles = ["target", "step", "done", "files", "read", "new", "speed", "time", "left", "note"]
    assert header.split() == titles


@pytest.mark.parametrize(
    ("width", "gone"),
    [(104, []), (95, ["note"]), (79, ["note", "files"]), (60, ["note", "files", "speed", "left"])],
)
def test_a_narrow_screen_loses_its_columns_in_a_fixed_order(width, gone):
    titles = ["target", "step", "done", "files", "read", "new", "speed", "time", "left", "note"]
    assert lines_of(big_run(), width=width)[0].split() == [title for title in titles if title not in gone]


def test_eighty_columns_show_how_far_how_much_and_how_long():
    row = next(line for line in lines_of(big_run(), width=79) if "host013" in line)
    assert row.split() == ["host013", "create", "~40%", "4.0", "GB", "400", "MB", "444", "MB/s", "9s", "~13s"]


def test_unknown_progress_is_shown_as_unknown():
    row = lines_of(reading("web1", read=GB))[1]
    assert "…" in row
    assert "0%" not in row


def test_a_check_shows_its_real_percentage_and_how_long_it_may_take():
    assert lines_of(checking("web1"))[1].split()[2:] == ["12%", "9s", "~1m04s"]


def test_200_targets_on_24_rows_show_who_runs_then_who_failed_and_count_the_rest():
    lines = lines_of(big_run(targets=200, running=8, through=10, broken=2), height=23)
    assert len(lines) <= 23
    assert [line.split()[0] for line in lines[1:9]] == [f"host{n:03d}" for n in range(12, 20)]
    assert [line.split()[:2] for line in lines[9:11]] == [["host010", "failed"], ["host011", "failed"]]
    assert lines[11].strip() == "+180 waiting, 10 done"
    assert lines[12].split()[:2] == ["total", "12/200"]


def test_more_running_targets_than_rows_are_counted_too():
    lines = lines_of(big_run(targets=60, running=50, through=0, broken=0), height=20)
    assert len(lines) == 20
    assert lines[-2].strip() == "+33 running, 10 waiting"


def test_all_targets_are_shown_when_they_fit_in_the_order_of_the_config():
    lines = lines_of([RunStarted(targets=("b", "a"), jobs=1, at=START), *done("a")])
    assert [line.split()[0] for line in lines] == ["target", "b", "a", "total"]


def test_a_failed_row_gives_its_columns_to_the_cause():
    row = lines_of(failed("web1"))[1]
    assert row.split(maxsplit=2) == ["web1", "failed", "target web1: connection refused on port 22"]


def test_a_silent_target_is_noted():
    assert "no news for 5m00s" in lines_of(reading("web1", read=GB), width=120, now=START + 308)[1]


def test_a_warning_is_noted_while_the_target_goes_on():
    events = [*reading("web1", read=GB), Warned(target="web1", at=START, text="no hard links on B")]
    assert "1 warning: no hard links on B" in lines_of(events, width=120)[1]


def test_markup_in_a_name_is_shown_as_it_is():
    made = frame(board_of(reading("[red]x[/red]")), now=START, width=80, height=24)
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=True).print(made)
    assert "[red]x[/red]" in out.getvalue()


@settings(deadline=None)
@given(any_events, st.integers(1, 200), st.integers(1, 30))
def test_no_frame_is_larger_than_its_screen_or_holds_a_control_character(events, width, height):
    lines = lines_of(events, width=width, height=height, now=START + 500)
    assert len(lines) <= height
    for line in lines:
        assert cell_len(line) <= width
        assert all(is_harmless(letter) for letter in line)


def test_long_wide_names_do_not_push_the_columns_away():
    events = [
        StepStarted(target="名" * 30, at=START, step=Step.CREATE),
        Failed(target="名" * 30, at=START, party=BACKUP_SERVER, cause="満" * 200),
        *reading("web1"),
    ]
    lines = lines_of(events, width=79)
    assert all(cell_len(line) <= 79 for line in lines)
