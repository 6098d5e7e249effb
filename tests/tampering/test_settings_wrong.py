"""Settings of the operator's that do not fit a known repository: an error, and never an accusation."""

import pytest

from support import loopback_world
from support.following import same_as
from support.reading import only


@pytest.fixture(scope="module")
def known():
    """A world with one target, which has an archive."""
    with loopback_world(["web"], planted=True) as world:
        done = world.run("-q")
        assert done.returncode == 0, done.stderr
        yield world


def test_a_wrong_passphrase_accuses_nobody(known):
    before = same_as(known.target("web").repository)
    config = known.lab.config()
    config["Servers"][0]["BorgTarget"] = config["Servers"][0]["BorgTarget"] | {"Passphrase": "mistyped"}
    for _ in range(2):
        done = known.run("-q", config=config)
        assert done.returncode == 2, done.stderr
        assert "passphrase does not open" in done.stderr
        assert "hint: correct BorgTarget.Passphrase" in done.stderr
    assert same_as(known.target("web").repository) == before
    assert known.run("-q").returncode == 0


def test_repositories_that_were_moved_are_named_and_accuse_nobody(known):
    root = known.lab.root
    moved = root.with_name("moved")
    root.rename(moved)
    config = only(known.lab.config(), "web")
    config["Borg"] = config["Borg"] | {"RootDir": str(moved)}
    done = known.run("-q", config=config)
    assert done.returncode == 2, done.stderr
    assert "knows this repository at another location" in done.stderr
    assert "hint: if you moved RootDir, SubDir or the repositories" in done.stderr
    moved.rename(root)
    assert known.run("-q").returncode == 0
