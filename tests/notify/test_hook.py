"""The operator's command: what it gets, and that neither its failure nor its sleep is anybody else's."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from borgpull.notify import on_finish
from lab import processes

REPORT = json.dumps({"outcome": "done", "filler": "x" * 300_000}).encode()


def run(command: str, **options) -> str:
    return asyncio.run(on_finish(command, REPORT, exit_code=2, **options))


def test_it_gets_the_report_and_the_exit_code_and_is_a_shell_command(tmp_path):
    assert run(f'cat | tee "{tmp_path}/report" >/dev/null; echo $BORGPULL_EXIT_CODE >"{tmp_path}/code"') == ""
    assert (tmp_path / "report").read_bytes() == REPORT
    assert (tmp_path / "code").read_text() == "2\n"


def test_it_gets_none_of_the_environment_that_may_hold_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("BORG_PASSPHRASE", "hunter2")
    assert run(f"env >{tmp_path}/env") == ""
    assert "hunter2" not in (tmp_path / "env").read_text()


def test_it_need_not_read_the_report():
    assert run("true") == ""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo first >&2; printf 'no \\033[2Jmail\\n\\n' >&2; exit 3", "exit 3: no �[2Jmail"),
        ("exit 1", "exit 1"),
        ("kill -9 $$", "it was killed by signal 9"),
        ("/nowhere/at/all", "not found"),
    ],
)
def test_its_failure_is_told_in_one_clean_line(command, words):
    assert words in run(command)


def test_it_ends_in_time_with_all_that_it_started(tmp_path: Path):
    mark = f"sleep 9{os.getpid()}"
    assert run(f"{mark} | {mark}", seconds=1) == "it did not end within 1 s"
    assert processes.mentioning(mark.replace(" ", "\0")) == []


@pytest.mark.slow
def test_one_that_will_not_end_is_killed():
    assert run("trap '' TERM; while :; do sleep 0.1; done", seconds=1, killed_after=1) == "it was killed by signal 9"
