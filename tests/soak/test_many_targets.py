"""More targets side by side than one connection to B serves, at a B that lets nobody wait, or on a busy machine.

`make soak` takes 200.
"""

import contextlib
import os
from collections.abc import Iterator

import pytest

from lab import Spot
from soak.fleet import busy_loops, watched
from soak.judge import problems_of
from support import World, loopback_world

JOBS = 9
MANY, MANY_JOBS = [f"t{number:02}" for number in range(40)], 32


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


@pytest.mark.slow
def test_on_a_busy_controller_all_are_done_at_the_first_attempt(tmp_path):
    with many_targets() as world, busy_loops(3):
        course = watched(world, tmp_path, targets=len(MANY), jobs=MANY_JOBS, seconds=1200)
    assert (course.code, course.retried) == (0, ()), course.stderr
    assert {outcome for _, outcome in course.rows} == {"done"}


@pytest.mark.slow
def test_many_behind_a_slow_jump_host_log_in_there_once(tmp_path):
    # It asks the command before and after the key is proven: together a login takes a second.
    slow = ("MaxStartups 10:30:100", "AuthorizedKeysCommand /bin/sleep 0.5", "AuthorizedKeysCommandUser root")
    with many_targets(Spot(name="jump", sshd_lines=slow)) as world:
        jump = world.target("jump").host
        config = world.lab.config()
        keys = jump.directory / "authorized_keys"
        keys.write_text("".join(f"{target.host.key.public}\n" for target in world.targets))
        for entry in config["Servers"]:
            entry["Connection"] |= {
                "ProxyJumpHost": jump.endpoint,
                "ProxyJumpKnownHost": jump.known_host,
                "ProxyJumpPrivateKey": jump.key.private,
            }
        course = watched(world, tmp_path, targets=len(MANY), jobs=MANY_JOBS, seconds=1200, config=config)
        log = (jump.directory / "sshd.log").read_text()
    assert (course.code, course.retried) == (0, ()), course.stderr
    assert {outcome for _, outcome in course.rows} == {"done"}
    assert (log.count("Accepted publickey"), log.count("beginning MaxStartups")) == (1, 0)


@contextlib.contextmanager
def many_targets(*others: Spot) -> Iterator[World]:
    """Forty targets with one small file each, and other hosts behind them."""
    with loopback_world([*MANY, *others], planted=False) as world:
        for target in world.targets:
            (target.source / "file").write_bytes(os.urandom(1000))
        yield world
