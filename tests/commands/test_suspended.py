"""A controller that was suspended for so long that another run took its lock changes nothing more when it wakes.

Itself, its ssh and its borg are stopped at once, as with a laptop whose lid is shut or a virtual machine that pauses;
its connections stay open meanwhile.
"""

from collections.abc import Iterator

import pytest

from faults.alone import GONE_SECONDS, HASTY, TARGET, Alone
from support import loopback_world
from support.daemons import suspended
from support.following import Run
from support.reading import until

# The gates on the way to where a run is held up.
MOMENTS = {
    "create": ("create",),
    "verify": ("create", "list"),
    "prune": ("prune",),
    "compact": ("compact",),
}


@pytest.fixture
def alone(tmp_path) -> Iterator[Alone]:
    with loopback_world([TARGET], planted=False) as world:
        yield Alone(world, tmp_path)


def elsewhere(alone: Alone) -> tuple[str, ...]:
    """Return the options of a run on another controller: it has a cache of its own."""
    return ("--cache-dir", str(alone.world.lab.directory / "another controller"))


def ends_with_words(run: Run) -> None:
    """Let a run that was woken end: it failed, says so, and accuses nobody."""
    done = run.end()
    assert done.returncode == 2, done.stderr
    assert run.accusations() == []
    assert run.has("failed", target=TARGET)
    assert "error: controller: it stood still for " in done.stderr
    assert "hint: keep it awake during a run" in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def sleeps_through_another_run(alone: Alone, moment: str, changed: str = "") -> None:
    with alone.held(*MOMENTS[moment], changed=changed) as first, suspended(first.process.pid) as sleeping:
        alone.until_given_up(*sleeping.pids)
        alone.gates.open()
        second = alone.start(*elsewhere(alone))
        done = second.end()
        assert done.returncode == 0, done.stderr
        assert second.accusations() == []
        left = alone.state()
        sleeping.wake()
        ends_with_words(first)
        assert alone.state() == left
        # The run that ended last is not the one that began last.
        status = alone.world.run("status", config=alone.config)
        assert status.returncode == 0, status.stdout
    alone.is_well()


def test_a_controller_that_sleeps_changes_nothing_when_it_wakes(alone):
    sleeps_through_another_run(alone, "verify", HASTY)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_controller_that_sleeps_at_any_moment_changes_nothing_when_it_wakes(alone, moment):
    sleeps_through_another_run(alone, moment, HASTY)


@pytest.mark.slow
def test_a_host_waits_for_a_minute(alone):
    sleeps_through_another_run(alone, "create")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["create", "prune"])
def test_a_controller_that_wakes_while_another_run_is_at_work_does_not_disturb_it(alone, moment):
    with alone.held(*MOMENTS[moment], changed=HASTY) as first, suspended(first.process.pid) as sleeping:
        until(lambda: not (alone.ledger / "lock").exists(), seconds=GONE_SECONDS)
        alone.gates.open()
        with alone.held("create", arguments=elsewhere(alone)) as second:
            sleeping.wake()
            ends_with_words(first)
            alone.gates.open()
            done = second.end()
    assert done.returncode == 0, done.stderr
    assert second.accusations() == []
    alone.is_well()


@pytest.mark.slow
def test_a_run_that_comes_while_the_controller_of_another_one_is_silent_waits_and_goes_on(alone):
    with alone.held("create", changed=HASTY) as first, suspended(first.process.pid) as sleeping:
        second = alone.start(*elsewhere(alone))
        second.until(lambda: len(alone.sessions()) == 2)
        alone.gates.open()
        done = second.end()
        sleeping.wake()
        ends_with_words(first)
    assert done.returncode == 0, done.stderr
    assert second.has("target_finished", outcome="done")
    assert second.accusations() == []
    alone.is_well()
