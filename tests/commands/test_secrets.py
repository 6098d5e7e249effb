"""No passphrase and no line of a private key is ever seen outside of C's memory, not even when things go wrong."""

from pathlib import Path

from support import World, found_on_disk, secrets_of, watching_for
from support.reading import entry, only


def revealed(world: World, text: str) -> list[bytes]:
    return [secret for secret in secrets_of(world.lab) if secret in text.encode()]


def watched_run(world: World, config: dict, events: Path) -> tuple[int, str]:
    with watching_for(secrets_of(world.lab)) as seen:
        result = world.run("-v", "--json", "--events", str(events), config=config)
    assert seen.leaks == set()
    assert {"borg", "ssh", "socat"} <= seen.programs, "the watch did not look closely enough"
    return result.returncode, result.stdout + result.stderr


def places(world: World) -> list[Path]:
    """All that a run can write to: the hosts, their repositories and temporary folders, C's cache and tmpfs, /tmp."""
    return [world.lab.directory, world.memory, *Path("/tmp").glob("borgpull*"), *Path("/run").glob("borgpull*")]


def test_a_run_shows_no_secret_to_anybody(world, tmp_path):
    code, said = watched_run(world, only(world.lab.config(), "web"), tmp_path / "events")
    assert code == 0, said
    assert revealed(world, said) == []
    assert found_on_disk(secrets_of(world.lab), [*places(world), tmp_path]) == []


def test_a_run_that_goes_wrong_shows_no_secret_either(world, tmp_path):
    config = world.lab.config()
    web, mail = entry(config, "web"), entry(config, "mail")
    world.lab.borg(world.target("web"), "init", "-e", "repokey-blake2")
    # Each secret is right in itself, and wrong where it stands.
    web["BorgTarget"]["Passphrase"], mail["BorgTarget"]["Passphrase"] = (
        mail["BorgTarget"]["Passphrase"],
        web["BorgTarget"]["Passphrase"],
    )
    mail["Connection"]["PrivateKey"] = web["Connection"]["PrivateKey"]
    code, said = watched_run(world, config, tmp_path / "events")
    assert code == 2, said
    assert "passphrase does not open" in said
    assert "refused the key" in said
    assert revealed(world, said) == []
    assert found_on_disk(secrets_of(world.lab), [*places(world), tmp_path]) == []


def test_a_config_that_is_refused_shows_no_secret(world):
    text = world.lab.config_text()
    for secret in secrets_of(world.lab):
        broken = text.replace(secret.decode(), secret.decode() + '"')
        result = world.run(config=broken)
        assert result.returncode == 4
        assert revealed(world, result.stdout + result.stderr) == []
