import io

import pytest

from borgpull.errors import BACKUP_SERVER, Problem
from borgpull.ui import console


class Tty(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "repaints", "coloured"),
    [
        (Tty(), {"TERM": "xterm"}, True, True),
        (Tty(), {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        (Tty(), {"TERM": "dumb"}, False, False),
        (Tty(), {}, False, False),
        (io.StringIO(), {"TERM": "xterm"}, False, False),
        (io.StringIO(), {"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
        (io.StringIO(), {"FORCE_COLOR": "0"}, False, False),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_who_gets_a_table_and_who_gets_colour(stream, environ, repaints, coloured):
    assert console.repaints(stream, environ) is repaints
    assert console.coloured(stream, environ) is coloured


def test_an_error_names_the_party_the_cause_and_what_to_do(capsys):
    problem = Problem(BACKUP_SERVER, "disk full", "free some space below /srv/borg")
    console.message_lines(console.problem_lines(problem))
    said = capsys.readouterr()
    assert said.err == "error: backup server: disk full\nhint: free some space below /srv/borg\n"
    assert said.out == ""


def test_data_goes_to_stdout_alone(capsys):
    console.data('{"schema": 1}')
    assert capsys.readouterr() == ('{"schema": 1}\n', "")


def test_a_message_while_a_table_is_shown_goes_through_the_console_of_the_table(capsys):
    out = io.StringIO()
    with console.showing(console.console_on(out, {})):
        console.message_warning("slow", "wait")
    assert out.getvalue() == "warning: slow\nhint: wait\n"
    assert capsys.readouterr().err == ""
