"""More targets side by side than one connection to B serves, at a B that lets nobody wait; `make soak` takes 200."""

import os

import pytest

from lab import Spot
from soak.fleet import watched
from soak.judge import problems_of
from support import loopback_world

JOBS = 9


@pytest.mark.slow
def test_all_have_their_turn_and_b_sees_one_attempt_at_a_time(tmp_path):
    if os.getuid() != 0:
        assert not os.environ.get("CI"), "CI must run as root: C lets nobody else see what memory it takes"
        pytest.skip("needs root, to see what memory C takes")
    names = [f"t{number}" for number in range(JOBS)]
    with loopback_world(names, server=Spot(name="B", sshd_lines=("MaxStartups 1:100:1",)), planted=False) as world:
        for target in world.targets:
            (target.source / "file").write_bytes(os.urandom(1000))
        course = watched(world, tmp_path, targets=len(names), jobs=JOBS, seconds=300)
        assert problems_of(course) == []
        log = (world.lab.server.directory / "sshd.log").read_text()
        assert (log.count("Accepted publickey"), log.count("beginning MaxStartups")) == (3, 0)
        assert world.leftovers() == []
