"""Some cells of the fault matrix, one of each kind of fault; `make matrix` plays all of them.

That who was killed is connected to again in the same run, tests/commands/test_interrupted.py sees in each suite.
"""

from collections.abc import Iterator

import pytest

from faults.cells import (
    AWAY,
    B_SSHD,
    C_FILES,
    C_MEMORY,
    CUT,
    GONE,
    HANG_UP,
    KILL,
    SOCAT,
    STOP,
    T_LINK,
    T_SSHD,
    B,
    C,
    Cell,
)
from faults.judge import problems_of
from faults.play import play
from faults.stage import Stage, stage

pytestmark = pytest.mark.slow

CELLS = (
    Cell(C, KILL, "prune"),
    Cell(C, STOP, "create"),
    Cell(C, HANG_UP, "create"),
    Cell(B, AWAY, "create"),
    Cell(SOCAT, KILL, "create"),
    Cell(T_SSHD, KILL, "inspect"),
    Cell(B_SSHD, KILL, "verify"),
    Cell(C_MEMORY, GONE, "verify"),
    Cell(C_FILES, GONE, "create"),
)


@pytest.fixture(scope="module")
def on_loopback() -> Iterator[Stage]:
    with stage(walled=False) as made:
        yield made


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_a_fault_costs_its_own_target_alone_and_the_next_run_is_well(on_loopback, cell):
    assert problems_of(play(on_loopback, cell)) == []


def test_a_link_to_a_target_that_is_not_needed_any_more_may_be_cut():
    with stage(walled=True) as made:
        assert problems_of(play(made, Cell(T_LINK, CUT, "check"))) == []
