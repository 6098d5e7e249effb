"""A first run that is struck dead at any moment, or the `borg serve` that makes its repository: the next goes on."""

import shutil
from collections.abc import Iterator

import pytest

from faults.cells import FAULTED, SERVE, C
from faults.stage import Stage, stage
from faults.victims import held, pids_of
from support.reading import until

GATES = ("look", "init-key", "init-put", "init-commit", "init-close", "list", "create", "check")


@pytest.fixture(scope="module")
def played() -> Iterator[Stage]:
    with stage(walled=False) as made:
        yield made


def forget(stage: Stage) -> None:
    """Make the faulted target one that nobody ever backed up."""
    target, lab = stage.world.target(FAULTED), stage.world.lab
    for place in (target.repository, lab.root / ".borgpull" / FAULTED, stage.world.cache / "borgpull"):
        shutil.rmtree(place, ignore_errors=True)
    for host in (target.host.directory, lab.directory / "onlooker"):
        for folder in (".cache", ".config"):
            shutil.rmtree(host / folder, ignore_errors=True)
    for place in (lab.root / ".borgpull" / ".borgpull" / "ids").glob("*"):
        place.unlink()


def struck(stage: Stage, gate: str, victim: str) -> None:
    """Have a first run, or what serves it, killed when it comes to a gate, and end."""
    stage.gates.shut(f"{FAULTED}.{gate}")
    run = stage.start(FAULTED)
    run.until(lambda: stage.gates.reached(f"{FAULTED}.{gate}"))
    with held(pids_of(victim, stage.world, run.process.pid)) as victims:
        assert victims
        for each in victims:
            each.kill()
    stage.gates.open()
    run.process.communicate(timeout=120)
    # On its own tmpfs a killed run leaves what only the next one removes.
    until(lambda: all(str(stage.world.memory) in line for line in stage.world.leftovers(seconds=0)), seconds=60)


def goes_on(stage: Stage) -> str:
    """Return what the next run says, which has to be well."""
    done = stage.run(FAULTED)
    assert done.returncode == 0, done.stderr
    assert stage.world.lab.archives(stage.world.target(FAULTED))
    stage.world.lab.borg(stage.world.target(FAULTED), "check")
    return done.stderr


@pytest.mark.parametrize(
    "gate", [gate if gate in ("init-put", "list") else pytest.param(gate, marks=pytest.mark.slow) for gate in GATES]
)
def test_a_first_run_that_is_struck_dead_leaves_nothing_that_stops_the_next_one(played, gate):
    forget(played)
    struck(played, gate, C)
    said = goes_on(played)
    half = list((played.world.lab.root / ".borgpull" / FAULTED).glob("half-made.*"))
    assert len(half) == (gate in ("init-key", "init-put", "init-commit")), "it was moved away, and not removed"
    assert ("a `borg init` was cut off before" in said) == bool(half)


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["init-key", "init-put", "init-commit"])
def test_a_new_repository_whose_serve_was_killed_is_made_anew_in_the_same_run(played, gate):
    forget(played)
    struck(played, gate, SERVE)
    assert played.world.lab.archives(played.world.target(FAULTED)), "its second attempt went on"
    goes_on(played)
