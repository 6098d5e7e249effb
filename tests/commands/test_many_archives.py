"""Repositories with very many archives: they work up to a limit, which is said before a session and closes nothing."""

import json
import subprocess

import pytest

from support import World, loopback_world
from support.place import python_of
from support.reading import config_of

# They have the id of the first one, so that any borg can read them.
MANY = """
import sys
from borg.helpers import Manifest
from borg.logger import setup_logging
from borg.repository import Repository
setup_logging()
with Repository(sys.argv[1], exclusive=True, lock_wait=5) as repository:
    manifest, key = Manifest.load(repository, Manifest.NO_OPERATION_CHECK)
    first = manifest.archives["first"]
    for number in range(int(sys.argv[2])):
        manifest.archives[f"snapshot-of-before-{number:06}"] = (first.id, first.ts)
    manifest.write()
    repository.commit(compact=False)
"""


def with_archives(world: World, count: int) -> None:
    """Give a target's repository so many archives before borgpull knows it."""
    web = world.target("web")
    world.lab.borg(web, "init", "--encryption=repokey-blake2")
    world.lab.borg(web, "create", "::first", str(web.source))
    env = world.environment() | {"BORG_PASSPHRASE": web.passphrase, "BORG_BASE_DIR": str(world.lab.directory / "many")}
    env |= {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no", "TZ": "UTC"}
    command = [python_of("1.2"), "-c", MANY, str(web.repository), str(count)]
    subprocess.run(command, env=env, check=True, timeout=120)


@pytest.mark.slow
def test_a_list_of_nine_megabytes_is_read_to_its_end():
    with loopback_world(("web",)) as world:
        with_archives(world, 24_000)
        done = world.run(config=config_of(world, "web"), seconds=600)
        assert done.returncode == 0, done.stderr
        known = json.loads((world.lab.root / ".borgpull" / "web" / "ledger.json").read_text())
        assert (known["phase"], len(known["evidence"]["archives"])) == ("clean", 24_002)


@pytest.mark.slow
def test_more_archives_than_borgpull_reads_are_a_limit_before_the_session_and_close_nothing():
    with loopback_world(("web",)) as world:
        with_archives(world, 90_001)
        done = world.run(config=config_of(world, "web"))
        assert done.returncode == 2, done.stderr
        assert "a repository has reached a limit of borgpull: 90002 archives, at most 90000" in done.stderr
        assert "--full-access" in done.stderr
        assert not (world.lab.root / ".borgpull" / "web" / "ledger.json").exists()
