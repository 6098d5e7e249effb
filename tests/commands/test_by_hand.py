"""Root used borg on the backup server by hand, and left files that its login may not read: nobody is accused."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from support import LOGIN, LOGIN_ID, unprivileged_server
from support.reading import row, said_of


@pytest.fixture(scope="module")
def by_hand():
    with unprivileged_server() as (world, config):
        config["Borg"]["Retries"] = 0
        assert world.run("-q", config=config).returncode == 0
        yield world, config


def newest(repository: Path, kind: str) -> Path:
    return max(repository.glob(kind), key=lambda place: int(re.split(r"[./]", str(place))[-1]))


QUICK = "last segment"
LEFT = {
    "hints": lambda repository: newest(repository, "hints.*"),
    "index": lambda repository: newest(repository, "index.*"),
    "last segment": lambda repository: newest(repository, "data/*/*"),
    "folder of segments": lambda repository: repository / "data" / "0",
    "repository": lambda repository: repository,
}


def test_what_root_left_is_named_with_its_owner_and_closes_nothing(by_hand):
    world, config = by_hand
    target = world.target("web")
    world.lab.borg(target, "check")
    assert (target.repository / "config").stat().st_uid == 0, "borg wrote it anew"
    ledger = world.lab.root / ".borgpull" / "web" / "ledger.json"
    before = ledger.read_bytes()
    cause = f"{LOGIN} may not read {target.repository}/config, which belongs to root: somebody used borg there by hand"
    command = f"chown -R {LOGIN}: {target.repository}"

    failed = world.run("--json", config=config)
    assert failed.returncode == 2, failed.stderr
    assert said_of(row(failed, "web")) == (
        f"B: {cause}\nhint: nothing was changed; on the backup server, as root: `{command}`"
    )
    for words in (["rollback", "web", "--yes"], ["accept", "web", "--yes"]):
        refused = world.run(*words, config=config)
        assert (refused.returncode, cause in refused.stderr, command in refused.stderr) == (2, True, True), refused
    looked = world.run("doctor", "--json", config=config)
    assert looked.returncode == 2
    (finding,) = (each for each in json.loads(looked.stdout)["findings"] if each["mark"] == "failed")
    assert (finding["what"], cause in finding["detail"], command in finding["hint"]) == ("ledger", True, True)
    status = world.run("status", "--json", config=config)
    (seen,) = json.loads(status.stdout)["targets"]
    assert (seen["state"], cause in seen["cause"], command in seen["hint"]) == ("unknown", True, True)
    assert ledger.read_bytes() == before

    subprocess.run(command.replace(f"{LOGIN}:", f"{LOGIN_ID}:{LOGIN_ID}").split(), check=True)
    assert world.run("-q", config=config).returncode == 0


@pytest.mark.parametrize(
    "left", [each if each == QUICK else pytest.param(each, marks=pytest.mark.slow) for each in LEFT]
)
def test_so_is_each_other_file_of_the_repository(by_hand, left):
    world, config = by_hand
    repository = world.target("web").repository
    place = LEFT[left](repository)
    mode = place.stat().st_mode
    os.chown(place, 0, 0)
    place.chmod(0o700 if place.is_dir() else 0o600)
    try:
        for words in (["--json"], ["status", "--json"]):
            said = world.run(*words, config=config)
            assert said.returncode == 2 or words[0] == "status", said.stderr
            if left != "last segment" or words[0] != "status":
                assert re.search(f"may not read {place}/?, which belongs to root", said.stdout), said
    finally:
        os.chown(place, LOGIN_ID, LOGIN_ID)
        place.chmod(mode)
    assert world.run("-q", config=config).returncode == 0
