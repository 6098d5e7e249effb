"""`borgpull config check` judges a config as a run does, and contacts nobody."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from support import loopback_world
from support.reading import entry, nobody_listens, script

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = jsonschema.Draft202012Validator(json.loads((DOCS / "check.schema.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def world():
    with loopback_world(planted=False) as made:
        yield made


@pytest.fixture
def wrong(world):
    """A config with three mistakes."""
    config = world.lab.config()
    config["Borg"]["RootDir"] = "backups"
    entry(config, "web")["Passwort"] = "hunter2"
    entry(config, "mail")["Connection"]["PrivateKey"] = "hunter2"
    return world.lab.config_text(config)


def answer(result):
    found = json.loads(result.stdout)
    SCHEMA.validate(found)
    assert result.stderr == ""
    return found


def test_a_good_one_is_summed_up(world):
    result = world.run("config", "check")
    assert (result.returncode, result.stderr) == (0, "")
    server = f"{world.lab.server.user}@{world.lab.server.endpoint}"
    assert result.stdout.splitlines() == [f"ok: 2 targets, backed up to {server}", "  web", "  mail"]


def test_nobody_is_contacted(world):
    config = world.lab.config()
    for connection in (config["Borg"]["Server"], *(table["Connection"] for table in config["Servers"])):
        host = nobody_listens()
        name, _, port = host.rpartition(":")
        connection |= {"Host": host, "KnownHost": f"[{name}]:{port} {world.lab.server.host_key.public}"}
    assert world.run("config", "check", config=config).returncode == 0


def test_keys_are_checked_side_by_side_and_plain_host_keys_without_a_program(world, tmp_path):
    # Each waits, for half a minute at most, until another one is at work.
    waiting = f"""n=0
echo >{tmp_path}/at-work.$$
until [ "$(ls {tmp_path} | grep -c at-work)" -ge 2 ] || [ $n -gt 600 ]; do n=$((n + 1)); sleep 0.05; done
[ $n -le 600 ] && exec {shutil.which("ssh-keygen")} "$@"
"""
    (tmp_path / "first").mkdir()
    keygen = script(tmp_path / "first" / "ssh-keygen", waiting)
    config = world.lab.config()
    config["Servers"] = [
        entry(config, name)
        | {"Name": f"{name}{number}", "BorgTarget": {"SubDir": f"{name}{number}", "Passphrase": "x"}}
        for number in range(20)
        for name in ("web", "mail")
    ]
    done = world.run("config", "check", config=config, borg=keygen)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("at-work.*"))) == 3, "one for each private key"


def test_a_wrong_one_is_told_in_the_words_of_a_run(world, wrong):
    result, run = world.run("config", "check", config=wrong), world.run(config=wrong)
    assert (result.returncode, result.stdout) == (4, "")
    assert result.stderr == run.stderr
    assert len(result.stderr.splitlines()) == 3
    assert "hunter2" not in result.stderr


def test_from_a_file_and_as_json(world, wrong, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(world.lab.config_text())
    good = world.run("config", "check", "--json", "--config", str(file), config="")
    assert good.returncode == 0
    server = f"{world.lab.server.user}@{world.lab.server.endpoint}"
    expected = {
        "schema": 1,
        "right": True,
        "server": server,
        "targets": ["web", "mail"],
        "settings": [],
        "problems": [],
    }
    assert answer(good) == expected
    bad = world.run("config", "check", "--json", config=wrong)
    assert bad.returncode == 4
    problems = answer(bad)["problems"]
    assert [problem.split(":")[0] for problem in problems] == [
        "Borg.RootDir",
        'Servers[0] ("web")',
        'Servers[1].Connection.PrivateKey ("mail")',
    ]
    assert not answer(bad)["right"]
    assert world.leftovers() == []
