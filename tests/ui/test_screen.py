"""The live display as somebody sees it who sits in front of the terminal."""

import os
import signal
import sys
from pathlib import Path

import pytest

from support.terminal import PATIENCE, Terminal

HERE = Path(__file__).parent


class Showing(Terminal):
    """A terminal with `show.py` in it."""

    def __init__(self, *, columns=80, rows=24, targets=200, environ=None, verbose=False):
        wanted = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        argv = [sys.executable, str(HERE / "show.py"), str(targets), *(["-v"] if verbose else [])]
        super().__init__(argv, env={**wanted, "PYTHONPATH": path, **(environ or {})}, columns=columns, rows=rows)

    def until_all_events_are_shown(self):
        return self.until(lambda: any(line.startswith("host019  check") for line in self.lines))


def test_200_targets_on_24_rows_of_80_columns():
    with Showing() as terminal:
        lines = terminal.until_all_events_are_shown()
        assert lines[0] == "$ borgpull run"
        assert len(terminal.headers()) == 1
        at_work = [line.split()[:2] for line in lines[2:10]]
        assert at_work == [[f"host{n:03d}", "check" if n % 4 == 3 else "create"] for n in range(12, 20)]
        assert lines[10].split(maxsplit=2) == ["host010", "failed", "target host010: connection refused on port 22"]
        assert lines[12] == "+180 waiting, 10 done"
        assert lines[13].split()[:2] == ["total", "12/200"]


def test_the_table_follows_the_events():
    with Showing() as terminal:
        terminal.until_all_events_are_shown()
        terminal.say("read")
        terminal.until_text("777 GB")
        terminal.say("done")
        lines = terminal.until_text("+180 waiting, 11 done")
        assert not any(line.startswith("host012") for line in lines)
        assert len(terminal.headers()) == 1


@pytest.mark.parametrize(("columns", "rows"), [(40, 24), (80, 10), (60, 12), (150, 50), (80, 4)])
def test_a_resize_leaves_one_whole_table(columns, rows):
    with Showing() as terminal:
        terminal.until_all_events_are_shown()
        terminal.raw = b""
        terminal.resize(columns, rows)
        terminal.until(lambda: b"\x1b[2J" in terminal.raw and "total" in "".join(terminal.lines))
        lines = terminal.until(lambda: len(terminal.headers()) <= 1)
        # On four rows there is the totals line at least; on more there is everything once.
        assert sum(line.startswith("total") for line in lines) == 1
        names = [line.split()[0] for line in lines if line.startswith("host")]
        assert len(names) == len(set(names))
        assert names[:1] == ["host012"] or rows == 4
        assert terminal.process.poll() is None


def test_at_the_end_the_table_is_gone_and_the_summary_stays():
    with Showing(targets=20, rows=60) as terminal:
        terminal.until_all_events_are_shown()
        terminal.say("end")
        assert terminal.ended() == 0
        assert terminal.is_whole()
        lines = terminal.lines
        assert lines[0] == "$ borgpull run"
        assert lines[1].split() == ["target", "outcome", "files", "read", "new", "check", "time"]
        assert lines[2].split() == ["host000", "done", "4321", "1.2", "GB", "3.4", "MB", "skipped", "3m12s"]
        assert not any("total" in line for line in lines)
        assert lines.count("error: target host010: connection refused on port 22") == 1
        assert lines.count("hint: is sshd running there? try: ssh -p 22 root@host") == 2
        last = "20 targets: 10 done, 2 failed, 8 interrupted,"
        assert any(line.startswith(last) for line in lines)


def test_a_crash_leaves_the_screen_whole_and_its_traceback_readable():
    with Showing(targets=8, rows=60) as terminal:
        terminal.until_text("8/8")
        terminal.say("crash")
        assert terminal.ended() == 1
        assert terminal.is_whole()
        assert terminal.lines[0] == "$ borgpull run"
        assert "RuntimeError: crashed in the middle" in terminal.lines
        assert not any("total" in line for line in terminal.lines)


def test_ctrl_c_leaves_the_screen_whole_and_the_summary_printed():
    with Showing(targets=20, rows=80) as terminal:
        terminal.until_all_events_are_shown()
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == -signal.SIGINT
        assert terminal.is_whole()
        assert any(line.startswith("20 targets: 10 done, 2 failed, 8 interrupted") for line in terminal.lines)


def test_what_a_library_prints_stands_above_the_table():
    with Showing() as terminal:
        terminal.until_all_events_are_shown()
        terminal.say("stray")
        lines = terminal.until_text("a stray line of a library")
        assert lines.index("a stray line of a library") < terminal.headers()[0]
        assert len(terminal.headers()) == 1


def test_verbose_lines_stand_above_the_table_without_markup_or_escapes():
    with Showing(verbose=True, columns=100) as terminal:
        terminal.until_all_events_are_shown()
        terminal.say("said")
        lines = terminal.until_text("[red]hello[/red]")
        assert "2026-11-22T22:40:09Z host012: ssh said: [red]hello[/red]�[2J" in lines
        assert len(terminal.headers()) == 1


def test_a_warning_of_the_whole_run_is_seen_at_once():
    with Showing() as terminal:
        terminal.until_all_events_are_shown()
        terminal.say("warn")
        lines = terminal.until_text("warning: B is slow today")
        assert lines[1] == "2026-11-22T22:40:09Z run: warning: B is slow today"


def test_no_color_takes_the_colour_and_keeps_the_words():
    with Showing(environ={"NO_COLOR": "1"}) as terminal:
        lines = terminal.until_all_events_are_shown()
        assert any(line.split()[1:2] == ["failed"] for line in lines)
        colours = {cell.fg for row in terminal.screen.buffer.values() for cell in row.values()}
        assert colours == {"default"}


def test_colour_is_there_otherwise():
    with Showing() as terminal:
        terminal.until_all_events_are_shown()
        colours = {cell.fg for row in terminal.screen.buffer.values() for cell in row.values()}
        assert "red" in colours


def test_a_dumb_terminal_gets_lines_and_no_escape_byte():
    with Showing(targets=10, environ={"TERM": "dumb"}) as terminal:
        terminal.say("end")
        assert terminal.ended() == 0
        assert b"\x1b" not in terminal.raw
        assert b"2026-11-22T22:40:00Z run: 10 targets, 8 at a time" in terminal.raw


def test_a_columns_variable_from_elsewhere_does_not_break_the_table():
    with Showing(environ={"COLUMNS": "300", "LINES": "100"}) as terminal:
        terminal.until_all_events_are_shown()
        assert len(terminal.headers()) == 1
        assert "note" not in terminal.lines[terminal.headers()[0]]


def test_a_terminal_that_hangs_up_does_not_end_the_run():
    terminal = Showing()
    terminal.until_all_events_are_shown()
    os.close(terminal.master)
    terminal.say("read")
    terminal.say("end")
    try:
        # No controlling terminal here, so no SIGHUP: only writing fails.
        assert terminal.process.wait(PATIENCE) == 0
    finally:
        terminal.process.kill()
        terminal.process.stdin.close()
