import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_events import any_events, is_harmless
from scenes import GB, START, big_run, checking, done, failed, reading, small_run, stream, tampered

from borgpull.errors import BACKUP_SERVER
from borgpull.events import Failed, Outcome, Said, Step, StepFinished, TargetFinished, Warned
from borgpull.ui.console import console_on
from borgpull.ui.display import Plain

TIMED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S.*: .")


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Log:
    """A pipe with a Plain display behind it."""

    def __init__(self, environ=None, **options):
        self.out = io.StringIO()
        self.clock = Clock()
        self.display = Plain(console_on(self.out, environ or {}), clock=self.clock, **options)

    def after(self, events):
        for event in events:
            self.display.handle(event)
        return self

    @property
    def lines(self):
        return self.out.getvalue().splitlines()


def test_a_line_says_when_who_and_what():
    lines = Log().after(done("web1")).lines
    assert "2026-11-22T22:43:10Z web1: create: done, 1.2 GB read, 3.4 MB new" in lines
    assert lines[-1] == (
        "2026-11-22T22:43:12Z web1: done, 1.2 GB read, 3.4 MB new, archive web1-2026-11-22T22:40:00, in 3m12s"
    )


def test_each_line_has_its_time_and_its_target_so_that_it_can_stand_alone():
    log = Log(verbose=True).after([*big_run(targets=20), *tampered("host019")])
    log.display.finish()
    assert log.lines
    assert all(TIMED.match(line) for line in log.lines)


def test_progress_of_a_file_is_not_worth_a_line():
    assert Log().after(reading("web1", read=GB)).lines == []


def test_a_failure_has_its_cause_and_its_hint():
    lines = Log().after(failed("db1")).lines
    assert lines[1:3] == [
        "2026-11-22T22:40:02Z db1: error: target db1: connection refused on port 22",
        "2026-11-22T22:40:02Z db1: hint: is sshd running there? try: ssh -p 22 root@host",
    ]


def test_tampering_is_told_in_words():
    lines = Log().after(tampered("db1")).lines
    assert "2026-11-22T22:40:02Z db1: found: archive db1-2026-11-21 is gone" in lines
    assert "2026-11-22T22:40:02Z db1: found: 3 older objects were deleted" in lines


def test_a_long_hint_is_one_line_so_that_it_can_be_copied():
    hint = "borgpull rollback " + "x" * 300
    assert (
        Log().after([Failed(target="a", at=START, party=BACKUP_SERVER, cause="c", hint=hint)]).lines[1].endswith(hint)
    )


def test_a_stuck_run_is_seen_once_a_minute():
    log = Log().after([*reading("web1", estimate=10 * GB, read=4 * GB), *checking("web2"), *done("web3")])
    before = len(log.lines)
    for second in range(1, 131):
        log.clock.now = START + second
        log.display.tick()
    beats = log.lines[before:]
    assert beats == [
        "2026-11-22T22:41:00Z run: running: web1 create ~40% 4.0 GB for 1m00s, web2 check 12% for 1m00s; 1 done",
        "2026-11-22T22:42:00Z run: running: web1 create ~40% 4.0 GB for 2m00s (no news for 1m52s), "
        "web2 check 12% for 2m00s (no news for 1m52s); 1 done",
    ]


def test_a_heartbeat_of_many_targets_stays_one_readable_line():
    log = Log().after(big_run(targets=200, running=50))
    log.clock.now = START + 60
    log.display.tick()
    assert "and 42 more; " in log.lines[-1]
    assert log.lines[-1].endswith("10 done, 2 failed, 138 waiting")


def test_nothing_running_needs_no_heartbeat():
    log = Log().after(small_run())
    before = log.lines
    log.clock.now = START + 600
    log.display.tick()
    assert log.lines == before


def test_quiet_says_nothing_about_a_good_run():
    log = Log(quiet=True).after(done("web1"))
    log.clock.now = START + 600
    log.display.tick()
    log.display.finish()
    assert log.lines == []


def test_quiet_says_what_went_wrong_once():
    log = Log(quiet=True).after(small_run())
    log.display.finish()
    assert [line.split("Z ", 1)[1] for line in log.lines] == [
        "web2: warning: /etc/shadow: permission denied",
        "web2: hint: run as root on web2",
        "db1: error: target db1: connection refused on port 22",
        "db1: hint: is sshd running there? try: ssh -p 22 root@host",
    ]


def test_quiet_says_so_when_a_target_ended_badly_without_a_word():
    log = Log(quiet=True).after([TargetFinished(target="a", at=START, outcome=Outcome.INTERRUPTED)])
    assert log.lines == ["2026-11-22T22:40:00Z a: interrupted, in <1s"]


def test_verbose_says_what_borg_and_ssh_said():
    said = Said(target="web1", at=START, party="ssh", text="debug1: Authenticated")
    assert Log().after([said]).lines == []
    assert Log(verbose=True).after([said]).lines == ["2026-11-22T22:40:00Z web1: ssh said: debug1: Authenticated"]


def test_what_did_not_end_well_and_the_totals_stand_together_at_the_end():
    log = Log().after(small_run())
    before = len(log.lines)
    log.clock.now = START + 200
    log.display.finish()
    assert {line[:21] for line in log.lines[before:]} == {"2026-11-22T22:43:20Z "}
    assert [line[21:] for line in log.lines[before:]] == [
        "web2: warning, 1.2 GB read, 3.4 MB new, archive web2-2026-11-22T22:40:00, in 3m07s",
        "web2: warning: /etc/shadow: permission denied",
        "web2: hint: run as root on web2",
        "db1: failed, in 2s",
        "db1: error: target db1: connection refused on port 22",
        "db1: hint: is sshd running there? try: ssh -p 22 root@host",
        "run: 3 targets: 1 done, 1 with warnings, 1 failed, 2.4 GB read, 6.8 MB new, in 3m12s",
    ]


def test_a_run_that_was_cut_short_names_who_never_began():
    log = Log().after([*big_run(targets=6, running=2, through=1, broken=0)])
    log.display.finish()
    told = [line.split("Z ", 1)[1] for line in log.lines]
    assert "host005: not started" in told
    assert told[-1].startswith("run: 6 targets: 1 done, 2 interrupted, 3 not started")


def test_a_failure_of_the_run_itself_is_in_the_summary():
    log = Log().after([Failed(at=START, party=BACKUP_SERVER, cause="connection timed out", hint="ping it")])
    log.display.finish()
    told = [line.split("Z ", 1)[1] for line in log.lines]
    assert told[-3:-1] == ["run: error: backup server: connection timed out", "run: hint: ping it"]


def test_markup_is_shown_as_it_is():
    text = "[red]x[/red] :smile: [/] [link=http://x]y[/link]"
    log = Log().after([Warned(target="web1", at=START, text=text)])
    log.display.finish()
    assert sum(text in line for line in log.lines) == 2


@settings(deadline=None)
@given(any_events, st.booleans(), st.booleans())
def test_no_escape_byte_reaches_a_pipe_whatever_is_said(events, quiet, verbose):
    log = Log(quiet=quiet, verbose=verbose).after(events)
    log.clock.now = START + 5000
    log.display.tick()
    log.display.finish()
    assert all(letter == "\n" or is_harmless(letter) for letter in log.out.getvalue())


def test_forced_colour_colours_a_pipe_and_moves_no_cursor():
    log = Log({"FORCE_COLOR": "1", "TERM": "dumb"}).after(failed("db1"))
    codes = re.findall(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", log.out.getvalue())
    assert codes
    assert all(code.endswith("m") for code in codes)


def test_no_color_wins_over_force_color():
    log = Log({"FORCE_COLOR": "1", "NO_COLOR": "1"}).after(failed("db1"))
    assert "\x1b" not in log.out.getvalue()


class ClosedPipe(io.StringIO):
    def write(self, _text):
        raise BrokenPipeError


def test_a_reader_that_went_away_does_not_stop_the_backup():
    display = Plain(console_on(ClosedPipe(), {}), clock=Clock())
    for event in small_run():
        display.handle(event)
    display.finish()
    assert len(display.board.rows) == 3


@pytest.mark.parametrize("detail", ["freed 6.31 kB"])
def test_the_detail_of_a_step_is_told(detail):
    ended = StepFinished(target="a", at=START, step=Step.COMPACT, outcome=Outcome.DONE, detail=detail)
    assert Log().after([ended]).lines == [f"2026-11-22T22:40:00Z a: compact: done, {detail}"]


def test_a_stream_that_knows_only_ascii_gets_question_marks_and_no_exception():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    display = Plain(console_on(stream, {}), clock=Clock())
    display.handle(Warned(target="a", at=START, text="naïve …"))
    assert raw.getvalue().endswith(b"warning: na?ve ?\n")


def test_a_stream_says_its_name_and_its_own_size_and_the_target_those_of_its_source_paths():
    *before, ended = done("web1")
    log = Log().after([*before, *stream("web1", "db.sql", at=START + 200)[:2]])
    log.clock.now = START + 261
    log.display.tick()
    log.after([*stream("web1", "db.sql", at=START + 200)[2:], ended])
    assert "running: web1 stream db.sql 7.0 MB for 1m01s" in log.lines[-3]
    assert log.lines[-2].endswith("web1: stream: done, db.sql, 7.0 MB read, 5.0 kB new")
    assert "done, 1.2 GB read, 3.4 MB new, archive web1-2026-11-22T22:40:00, 1 stream, in" in log.lines[-1]
