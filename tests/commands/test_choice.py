"""Several controllers with one config, and runs of some targets alone: what is contacted, and what is backed up."""

import pytest

from borgpull.fleet import shard_of
from support import World
from support.reading import move, nobody_listens, report, row, said_of

COUNT = 3


def placed_elsewhere(world: World) -> dict:
    """Return the lab's config with a B on which nobody listens: whoever contacts it fails."""
    config = world.lab.config()
    config["Borg"]["Server"] |= {"Host": nobody_listens()}
    port = config["Borg"]["Server"]["Host"].rpartition(":")[2]
    key = world.lab.server.host_key.public
    config["Borg"]["Server"]["KnownHost"] = f"[127.0.0.1]:{port} {key}"
    return config


@pytest.mark.slow
def test_three_controllers_back_each_target_up_once(world):
    config = world.lab.config_text()
    runs = [world.start("--shard", f"{index}/{COUNT}", "--json") for index in range(COUNT)]
    said = [process.communicate(config, timeout=180) for process in runs]
    assert [process.returncode for process in runs] == [0] * COUNT, said
    for target in world.targets:
        assert len(world.lab.archives(target)) == 1
    for index, (stdout, stderr) in enumerate(said):
        own = [target.name for target in world.targets if shard_of(target.name, COUNT) == index]
        assert all(f'"name": "{name}"' in stdout for name in own)
        assert ("there is nothing to do" in stderr) == (not own)
    assert world.leftovers() == []


def test_a_shard_without_targets_contacts_nobody_and_is_done(shared_world):
    empty = next(index for index in range(9) if index not in {shard_of(name, 9) for name in ("web", "mail")})
    result = shared_world.run("--shard", f"{empty}/9", "--json", config=placed_elsewhere(shared_world))
    assert result.returncode == 0, result.stderr
    assert report(result)["targets"] == []
    assert f"shard {empty}/9 has none of these targets: there is nothing to do" in result.stderr


def test_only_the_chosen_target_is_contacted(shared_world):
    config = shared_world.lab.config()
    config["Borg"]["Retries"] = 0
    for name in ("web", "mail"):
        move(config, name, nobody_listens(), shared_world.target(name).host.host_key.public)
    result = shared_world.run("--only", "w*", "--json", config=config)
    assert result.returncode == 2, result.stderr
    assert [each["name"] for each in report(result)["targets"]] == ["web"]
    assert "T web: the connection was refused" in said_of(row(result, "web"))
    status = shared_world.run("status", "--skip", "mail", config=config)
    assert (status.returncode, status.stdout.splitlines()[0]) == (3, "UNKNOWN: 1 never backed up (web)")


@pytest.mark.parametrize("command", ["run", "doctor", "status"])
def test_a_misspelt_name_is_an_error_before_anything_is_contacted(shared_world, command):
    result = shared_world.run(command, "--only", "wbe", config=placed_elsewhere(shared_world))
    assert result.returncode == 4
    assert "there is no target 'wbe' in the config" in result.stderr
    assert "hint: there are: web, mail" in result.stderr


@pytest.mark.parametrize("command", ["doctor", "status"])
def test_the_question_about_an_empty_shard_has_an_answer(shared_world, command):
    empty = next(index for index in range(9) if index not in {shard_of(name, 9) for name in ("web", "mail")})
    result = shared_world.run(command, "--shard", f"{empty}/9", config=placed_elsewhere(shared_world))
    assert result.returncode in {0, 1}, result
    assert "0 of 0 targets would be backed up" in result.stdout or result.stdout.startswith("OK: no target")
