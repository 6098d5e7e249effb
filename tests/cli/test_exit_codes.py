"""Which exit code a run ends with, when several things went wrong at once."""

import os
import signal
import subprocess
import sys

import pytest

from borgpull.cli.exit_codes import exit_code
from borgpull.events import WORST_FIRST, Outcome


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("outcome", Outcome)
def test_an_interrupt_hides_all_but_that_somebody_tampered(outcome, number):
    closed = outcome in {Outcome.TAMPERED, Outcome.UNVERIFIABLE}
    assert exit_code(outcome, number) == (3 if closed else 128 + number)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("done", 0), ("warning", 1), ("failed", 2), ("tampered", 3), ("unverifiable", 3), ("interrupted", 130)],
)
def test_each_outcome_has_its_exit_code(outcome, code):
    assert exit_code(Outcome(outcome)) == code


def test_every_outcome_has_its_place_in_the_order_of_the_worst():
    assert sorted(WORST_FIRST) == sorted(Outcome)


def test_ctrl_c_while_the_program_still_loads_leaves_no_traceback(tmp_path):
    (tmp_path / "plumbum.py").write_text("raise KeyboardInterrupt\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "borgpull", "status"]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONPATH": path}, check=False)
    assert (done.returncode, done.stderr) == (130, b"")
