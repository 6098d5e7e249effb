import io
import time

from rich.console import Console
from scenes import GB, START, progress, reading, small_run

from borgpull.ui import display as display_room
from borgpull.ui.display import open_live


class CountedScreen(io.StringIO):
    """A terminal that counts how often it is written to."""

    def __init__(self):
        super().__init__()
        self.writes = 0

    def isatty(self):
        return True

    def flush(self):
        self.writes += 1


def screen_on(stream):
    return Console(file=stream, force_terminal=True, width=100, height=30, soft_wrap=True)


def spin_until(met):
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline


def test_it_redraws_at_most_ten_times_a_second_however_many_events_come():
    stream = CountedScreen()
    with open_live(screen_on(stream), clock=time.time) as display:
        display.handle(reading("web1")[0])
        spin_until(lambda: "target" in stream.getvalue())
        writes, began, events = stream.writes, time.monotonic(), 0
        while time.monotonic() < began + 1.0:
            events += 1
            display.handle(progress("web1", at=time.time(), read=events * GB))
        drawn = stream.writes - writes
    assert events > 100
    assert 1 <= drawn <= 11


def test_a_screen_that_does_not_change_is_not_drawn_again():
    stream = CountedScreen()
    beats = []
    with open_live(screen_on(stream), clock=lambda: beats.append(1) or START) as display:
        for event in small_run():
            display.handle(event)
        spin_until(lambda: "3/3" in stream.getvalue())
        writes, seen = stream.writes, len(beats)
        spin_until(lambda: len(beats) >= seen + 3)
        assert stream.writes == writes


def test_a_drawing_that_fails_is_told_at_the_end_and_never_reaches_the_work(monkeypatch, capsys):
    calls = []

    def broken(*_board, **_options):
        calls.append(1)
        raise ZeroDivisionError("bad frame")

    monkeypatch.setattr(display_room, "frame", broken)
    stream = CountedScreen()
    with open_live(screen_on(stream), clock=lambda: START) as display:
        for event in small_run():
            display.handle(event)
        spin_until(lambda: calls)
    assert "bad frame" in capsys.readouterr().err
    assert "target db1: connection refused on port 22" in stream.getvalue()
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")
