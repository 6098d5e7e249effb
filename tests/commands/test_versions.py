"""Borg 1.2 and 1.4 on C, T and B in all eight mixtures, on repositories that have seen the other mixtures before."""

import itertools

import pytest

from lab.trees import differences, plant
from support import borg_14
from support.place import DISTRIBUTION_BORG
from support.reading import entry, report, said_of

VERSIONS = {"1.2": lambda: DISTRIBUTION_BORG, "1.4": borg_14}
ON_TARGET = {"web": "1.2", "mail": "1.4"}


# The newer one before the older one; what sessions do to a newer B is seen in tests/guard and tests/gate as well.
QUICK = ("1.4", "1.2")
MIXTURES = [
    pytest.param(*pair, marks=() if pair == QUICK else pytest.mark.slow)
    for pair in itertools.product(VERSIONS, VERSIONS)
]


@pytest.mark.parametrize(("on_controller", "on_server"), MIXTURES)
def test_versions_of_borg_can_be_mixed(shared_world, on_controller, on_server, tmp_path):
    world = shared_world
    config = world.lab.config()
    del config["Borg"]["CheckEvery"]
    config["Borg"]["Server"]["BorgPath"] = VERSIONS[on_server]()
    for name, version in ON_TARGET.items():
        entry(config, name)["BorgPath"] = VERSIONS[version]()
        plant(world.target(name).source / f"{on_controller} {on_server}", files=3)
    result = world.run("--json", config=config, borg=VERSIONS[on_controller]())
    assert result.returncode == 0, result.stderr
    for seen in report(result)["targets"]:
        assert said_of(seen) == ""
        target = world.target(seen["name"])
        assert world.lab.archives(target)[-1] == seen["archive"]["name"]
        folder = tmp_path / target.name
        folder.mkdir()
        assert differences(target.source, world.lab.extracted(target, seen["archive"]["name"], folder)) == []
    assert world.leftovers() == []
