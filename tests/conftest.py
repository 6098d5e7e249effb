"""Fixtures named as situations. A world is new for its test or, if it is shared, for the module."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from world import World, loopback_world, needs_network_namespaces, walled_world

# A shell starts what it puts into the background with these ignored, and every process of a test would inherit that.
for number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
# No deadlines: a machine may be busy. `make fuzz` takes the thorough one.
settings.register_profile("usual", deadline=None)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=3_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


@pytest.fixture
def world() -> Iterator[World]:
    """B and two targets with files, on loopback."""
    with loopback_world() as made:
        yield made


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    """B and two targets with files, on loopback, for all tests of a module."""
    with loopback_world() as made:
        yield made


@pytest.fixture
def walled() -> Iterator[World]:
    """C, B and two targets with files, each in a network namespace of its own."""
    needs_network_namespaces()
    with walled_world() as made:
        yield made


@pytest.fixture(scope="module")
def shared_walled() -> Iterator[World]:
    """C, B and two targets with files, each in a network namespace of its own, for all tests of a module."""
    needs_network_namespaces()
    with walled_world() as made:
        yield made
