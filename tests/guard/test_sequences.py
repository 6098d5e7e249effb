"""Honest and dishonest sessions in any order: the honest ones pass, the others never do, and a rollback heals."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_repository import Repository
from test_attacks import TOLD

from borgpull.guard import State

HONEST = ("backup", "changed backup", "prune", "compact", "check")


@pytest.mark.slow
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    versions=st.tuples(*[st.sampled_from(["1.2", "1.4"])] * 2),
    steps=st.lists(st.sampled_from(HONEST) | st.sampled_from(sorted(TOLD)), min_size=3, max_size=3),
)
def test_the_law_holds_in_any_order(tmp_path_factory, versions, steps):
    repository = Repository(tmp_path_factory.mktemp("any") / "home", *versions).make()
    assert repository.session()[1].state is State.CLEAN
    repository.change(1)
    for step in steps:
        take(repository, step)


def take(repository: Repository, step: str) -> None:
    """Take one step, and see that it is judged as what it is."""
    match step:
        case "prune" | "compact" | "check":
            more = {"prune": ["--keep-last=2"], "compact": ["--threshold=0"], "check": []}[step]
            repository.as_c(step, *more)
            repository.known = repository.look()
        case "backup" | "changed backup":
            repository.change(int(step != "backup"))
            status, verdict = repository.session()
            assert (status, verdict.state, verdict.rules) == (0, State.CLEAN, ())
        case attack:
            repository.keep()
            before = repository.look()
            status, verdict = repository.session(attack=attack)
            assert (status, verdict.state) == (0, State.TAMPERED)
            repository.put_back()
            assert repository.look() == before
