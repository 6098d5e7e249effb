"""A target whose sshd forwards nothing is backed up all the same, by itself, and nothing is left of it."""

from collections.abc import Iterator

import pytest

from lab.trees import differences, plant
from support import Result, World, loopback_world
from support.reading import entry, report, row, said_of

NAMES = ("refusing", "asked-for")
NOISE = "echo Welcome; printf 'no line end'; echo Beware >&2\n"


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[World, Result]]:
    """A target that forwards nothing and whose bash talks, one that would forward but is not asked; and their run."""
    with loopback_world(NAMES, planted=False) as world:
        for target in world.targets:
            plant(target.source, files=2)
        host = world.target("refusing").host
        (host.directory / "authorized_keys").write_text(f"restrict {host.key.public}\n")
        # The login shell of the lab's user is bash, and HOME is the host's directory.
        (host.directory / ".bashrc").write_text(NOISE)
        config = world.lab.config()
        entry(config, "asked-for")["Transport"] = "stdio"
        yield world, world.run("--json", config=config)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_backed_up_all_the_same(made, name, tmp_path):
    world, result = made
    seen = row(result, name)
    assert seen["outcome"] == "done", said_of(seen)
    target = world.target(name)
    assert world.lab.archives(target) == [seen["archive"]["name"]]
    assert differences(target.source, world.lab.extracted(target, seen["archive"]["name"], tmp_path)) == []


def test_it_is_said_once_where_it_was_not_asked_for_and_it_is_no_warning(made):
    world, result = made
    assert result.returncode == 0
    assert report(result)["totals"]["warnings"] == 0
    for target in world.targets:
        details = [step["detail"] for step in row(result, target.name)["steps"]]
        told = [detail for detail in details if "stdio" in detail]
        assert told == (["over stdio: its sshd refuses to forward"] if target.name == "refusing" else [])
        assert result.stderr.count(f"{target.name}: create: done, over stdio") == len(told)


def test_nothing_is_left_on_either(made):
    world, _ = made
    assert world.leftovers() == []
