"""Logins whose names a directory made: ssh takes them as they are, and sudo by the line that the run prints."""

import pytest

from support import sudoing_world, unprivileged_server
from support.reading import row, said_of

NAMES = ["backup@corp.example", r"CORP\backup", "12345", "svc$", "john doe"]
SLOW = [NAMES[1], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name != NAMES[1])]


@pytest.mark.parametrize("login", SLOW)
def test_the_backup_server_is_reached_by_it(login):
    with unprivileged_server(login=login) as (world, config):
        result = world.run("-q", config=config)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("login", SLOW)
def test_sudo_takes_the_line_that_a_run_prints(login):
    with sudoing_world(login=login) as sudoing:
        refused = sudoing.world.run("--json", config=sudoing.config())
        assert refused.returncode == 2, refused.stderr
        sudoing.allow(said_of(row(refused, "web")).partition("visudo -f /etc/sudoers.d/borgpull`: ")[2])
        result = sudoing.world.run("-q", config=sudoing.config())
        assert result.returncode == 0, result.stderr
