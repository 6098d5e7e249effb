"""The real command in a terminal: what an operator sees during a run, on a small screen, and after Ctrl-C."""

import copy
import json
import os
import signal
import sys

import pytest

from support import loopback_world
from support.terminal import Terminal

ROWS, COLUMNS = 24, 80
RATE = "10M"


@pytest.fixture
def one_target():
    """B and one target whose files take borg a few seconds."""
    with loopback_world(("web",)) as made:
        write_big_files(made)
        yield made


def write_big_files(world):
    """Write new contents, 45 MB in all, that no earlier session has seen."""
    for number in range(15):
        (world.target("web").source / f"big-{number}").write_bytes(os.urandom(3_000_000))


def in_terminal(world, config, *arguments, columns=COLUMNS, controlling=False):
    """Start the real command in a terminal, with `config` on its stdin."""
    argv = world.on_controller(sys.executable, "-m", "borgpull", *arguments)
    env = world.environment() | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    terminal = Terminal(argv, env=env, columns=columns, rows=ROWS, controlling=controlling)
    config = config or world.lab.config()
    config["Borg"]["Defaults"] = {"UploadRateLimit": RATE}
    terminal.process.stdin.write(world.lab.config_text(config).encode())
    terminal.process.stdin.close()
    return terminal


def crowd(world, number, *, jobs):
    """Return a config with `number` targets, all of them on one host."""
    config = world.lab.config()
    config["Borg"]["Jobs"] = jobs
    one = config["Servers"][0]
    config["Servers"] = [copy.deepcopy(one) for _ in range(number)]
    for index, server in enumerate(config["Servers"]):
        server["Name"] = f"host{index:03d}"
        server["BorgTarget"]["SubDir"] = f"crowd/host{index:03d}"
    return config


def test_a_run_from_its_first_line_to_the_summary_that_stays(one_target):
    with in_terminal(one_target, None) as terminal:
        terminal.until_text("create")
        terminal.until(lambda: any("MB/s" in line for line in terminal.lines))
        row = next(line for line in terminal.lines if line.startswith("web"))
        assert " 0%" not in row
        assert terminal.ended() == 0
        lines = terminal.lines
        assert lines[0] == "$ borgpull run"
        assert any(line.startswith("1 target: 1 done") for line in lines)
        assert any(line.split()[:2] == ["web", "done"] for line in lines)
        assert terminal.is_whole()
    write_big_files(one_target)
    with in_terminal(one_target, None) as terminal:
        # The second run knows the last archive, and says that it estimates.
        terminal.until(lambda: any("~" in line and "create" in line for line in terminal.lines))
        assert terminal.ended() == 0


def test_200_targets_on_24_rows_then_a_resize_then_ctrl_c(one_target):
    config = crowd(one_target, 200, jobs=2)
    with in_terminal(one_target, config) as terminal:
        lines = terminal.until_text("+198 waiting")
        assert [line.split()[0] for line in lines[2:4]] == ["host000", "host001"]
        assert len([line for line in lines if line]) <= ROWS
        terminal.resize(100, 12)
        terminal.until(lambda: len(terminal.headers()) == 1 and any("total" in line for line in terminal.lines))
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.ended() == 130
        assert terminal.is_whole()
        assert any("interrupted" in line for line in terminal.lines)
        assert b"stopping: borg writes its checkpoint, at most 30 s; once more to stop at once" in terminal.raw
        assert any("198 not started" in line for line in terminal.lines)
        assert any(line.startswith("hint: run the same command again") for line in terminal.lines)
    assert one_target.leftovers() == []


def until_it_reads(terminal):
    terminal.until(lambda: any("MB/s" in line and "create" in line for line in terminal.lines))


def test_a_terminal_that_is_closed_stops_a_run_calmly_and_all_is_told(one_target, tmp_path):
    config = one_target.lab.config()
    config["Servers"][0]["After"] = [f"sleep 1; echo $BORGPULL_OUTCOME >'{tmp_path}/after'"]
    config["Notify"] = {"OnFinish": f"sleep 1; echo $BORGPULL_EXIT_CODE >'{tmp_path}/finish'; cat >'{tmp_path}/report'"}
    with in_terminal(one_target, config, "--metrics", f"{tmp_path}/metrics", controlling=True) as terminal:
        until_it_reads(terminal)
        terminal.close()
        # The shell sends one too.
        os.kill(terminal.process.pid, signal.SIGHUP)
        assert terminal.process.wait(60) == 128 + signal.SIGHUP
    assert (tmp_path / "after").read_text() == "interrupted\n"
    assert (tmp_path / "finish").read_text() == "129\n"
    assert "borgpull_run_exit_code 129" in (tmp_path / "metrics").read_text()
    (web,) = json.loads((tmp_path / "report").read_text())["targets"]
    assert web["outcome"] == "interrupted"
    kept = [step["detail"] for step in web["steps"] if step["step"] == "create"]
    assert kept == ["its checkpoint is kept, and the next run goes on from it"]
    assert one_target.leftovers() == []
    listed = one_target.lab.borg(one_target.target("web"), "list", "--short", "--consider-checkpoints").decode().split()
    assert [name.endswith(".checkpoint") for name in listed] == [True]


@pytest.mark.slow
def test_after_ctrl_c_twice_the_cursor_is_back(one_target):
    with in_terminal(one_target, None, controlling=True) as terminal:
        until_it_reads(terminal)
        terminal.type(b"\x03")
        terminal.until(lambda: b"stopping: " in terminal.raw)
        terminal.type(b"\x03")
        assert terminal.ended() == 130
        assert terminal.is_whole()


@pytest.mark.slow
def test_a_run_that_ignores_hangups_from_its_start_goes_on(one_target):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        terminal = in_terminal(one_target, None, controlling=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    with terminal:
        until_it_reads(terminal)
        terminal.close()
        assert terminal.process.wait(60) == 0
