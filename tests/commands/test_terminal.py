"""The real command in a terminal: what an operator sees during a run, on a small screen, and after Ctrl-C."""

import copy
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


def in_terminal(world, config, *arguments, columns=COLUMNS):
    """Start the real command in a terminal, with `config` on its stdin."""
    argv = world.on_controller(sys.executable, "-m", "borgpull", *arguments)
    env = world.environment() | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    terminal = Terminal(argv, env=env, columns=columns, rows=ROWS)
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
    assert one_target.leftovers() == []
