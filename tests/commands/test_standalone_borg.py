"""A standalone borg is two processes, one that unpacked and waits, and the real one: neither outlives its run."""

from collections.abc import Iterator

import pytest

from faults.alone import HASTY, TARGET, Alone
from lab import processes
from support import loopback_world
from support.daemons import suspended
from support.reading import script

# As PyInstaller's does, it passes signals on; the one that kills it cannot be passed on.
UNPACKER = """\
exec /usr/bin/python3 -c '
import os, signal, sys
child = os.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(child, number))
status = os.waitpid(child, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
' {borg} "$@"
"""


@pytest.fixture
def alone(tmp_path) -> Iterator[Alone]:
    with loopback_world([TARGET], planted=False) as world:
        place = world.lab.directory / "standalone"
        script(place, UNPACKER.format(borg=world.lab.directory / "gates" / "bin" / "borg"))
        yield Alone(world, tmp_path, borg=str(place))


@pytest.mark.parametrize("moment", ["create", "compact"])
def test_a_controller_that_is_killed_leaves_no_half_of_it(alone, moment):
    with alone.held(moment) as run:
        processes.end([run.process.pid, *processes.descendants(run.process.pid)])
        # It stands still, and cannot end by itself.
        alone.until_given_up()
    alone.is_well()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["create", "compact"])
def test_a_controller_that_falls_silent_leaves_no_half_of_it(alone, moment):
    with alone.held(moment, changed=HASTY) as run, suspended(run.process.pid) as sleeping:
        alone.until_given_up(*sleeping.pids)
        alone.gates.open()
        sleeping.kill()
    alone.is_well()
