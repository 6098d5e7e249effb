"""A backup server that gives no shell: sockets there, the gate between, and the ledger on the controller.

socat stands in for systemd: it listens, and starts a `borg serve` with each connection as its stdin and stdout.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from attacks.attack import plant as plant_attack
from borgpull.config.address import SUB_DIR, escaped
from lab import Spot
from lab.trees import differences, plant
from support import World, loopback_world
from support.place import DISTRIBUTION_BORG
from support.reading import ends, entry, row, said_of

NAME = "web-1"
# What the attack left, objects without an archive, a check would find.
UNCHECKED = ("run", "--json", "--no-check")


@dataclass(frozen=True)
class Place:
    """A world whose B has sockets in `folder` there; the ledgers lie in `state` on C."""

    world: World
    folder: Path
    state: Path

    def config(self, **changes: object) -> dict:
        config = self.world.lab.config()
        config["Borg"]["StateDir"] = str(self.state)
        config["Borg"]["Server"] |= {
            "AppendSocket": f"{self.folder}/append/{SUB_DIR}",
            "FullSocket": f"{self.folder}/full/{SUB_DIR}",
        }
        entry(config, NAME).update(changes)
        return config

    def run(self, *arguments: str, **changes: object):
        return self.world.run(*arguments, config=self.config(**changes))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen on the sockets of the target, as the units in docs/systemd do."""
        repository = self.world.target(NAME).repository
        with contextlib.ExitStack() as stack:
            for kind, options in (("append", "--append-only "), ("full", "")):
                socket = self.folder / kind / escaped(NAME)
                socket.parent.mkdir(parents=True, exist_ok=True)
                serve = f"{DISTRIBUTION_BORG} serve {options}--restrict-to-repository {repository}"
                name = str(socket).replace("\\", "\\\\")
                argv = ["socat", f"UNIX-LISTEN:{name},fork,mode=600,unlink-early", f"EXEC:{serve},nofork"]
                listener = stack.enter_context(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
                stack.callback(listener.terminate)
                while not socket.exists():
                    assert listener.poll() is None
            yield


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    """B without a shell, and a target."""
    server = Spot(name="B", sshd_lines=("ForceCommand /bin/false",))
    with loopback_world([NAME], server=server, check_every="") as world:
        made = Place(world, world.lab.directory / "run", tmp_path_factory.mktemp("state") / "ledgers")
        with made.listening():
            yield made


def test_the_names_are_those_of_systemd():
    names = ["web/web1", "web-1", "/srv//my files/ä.b/", ".hidden/x.y", "a:b_c\\d"]
    said = subprocess.run(["systemd-escape", "--path", *names], capture_output=True, text=True, check=True).stdout
    assert [escaped(name) for name in names] == said.split()


def test_a_backup_without_a_shell_and_an_attack_that_is_stopped(place):
    world, target = place.world, place.world.target(NAME)
    looked = place.run("doctor", "--json")
    found = {(f["party"], f["what"]): f["mark"] for f in json.loads(looked.stdout)["findings"]}
    assert found["B", "AppendSocket"] == found["B", "FullSocket"] == "ok", looked.stdout
    assert looked.returncode == 0, looked.stdout

    first = row(place.run("--json"), NAME)
    assert first["outcome"] == "done", said_of(first)
    ledger = place.state / NAME / "ledger.json"
    assert (ledger.stat().st_mode & 0o777, ledger.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [
        path for path in (world.lab.root / ".borgpull").rglob("*") if path.name not in (".borgpull", "ids")
    ] == [], "nothing of ours lies on B"
    untrusted = target.host.directory / "hostile borg"
    plant_attack(untrusted, "delete_chunks")
    attacked = place.run("--json", BorgPath=str(untrusted))
    assert attacked.returncode == 3
    assert row(attacked, NAME)["errors"][0]["rules"] == ["it asked to delete an older object (delete)"]

    status = place.run("status", "--json")
    assert (status.returncode, json.loads(status.stdout)["targets"][0]["state"]) == (1, "failing"), status.stdout
    key = place.run("key", NAME)
    assert key.stdout.encode() == exported(place)
    assert list(world.memory.iterdir()) == []


@pytest.mark.slow
def test_what_was_backed_up_comes_back(place, tmp_path):
    target = place.world.target(NAME)
    plant(target.source / "more", files=2, size=30_000)
    last = row(place.run("--json"), NAME)
    assert last["outcome"] == "done", said_of(last)
    assert ends(last)["prune"] == "done"
    assert differences(target.source, place.world.lab.extracted(target, last["archive"]["name"], tmp_path)) == []


def exported(place: Place) -> bytes:
    file = place.state.parent / "key"
    place.world.lab.borg(place.world.target(NAME), "key", "export", "::", str(file))
    return file.read_bytes()


@pytest.mark.slow
def test_what_is_hidden_in_the_list_of_archives_closes_the_repository(place):
    target = place.world.target(NAME)
    row(place.run("--json"), NAME)
    untrusted = target.host.directory / "forging borg"
    plant_attack(untrusted, "drop_archives")
    done = place.run("--json", BorgPath=str(untrusted))
    told = row(done, NAME)
    assert (done.returncode, told["outcome"]) == (3, "tampered"), said_of(told)
    assert "vanished" in told["errors"][0]["rules"][0]
    assert "without a shell on the backup server there is no way back from here" in told["errors"][0]["hint"]
    assert place.run("status").returncode == 2
    again = place.run("--json")
    assert (again.returncode, "create" in ends(row(again, NAME))) == (3, False), "it stays closed"
    assert "without a shell on the backup server there is no way back from here" in place.run("list", NAME).stderr

    back = place.run("rollback", NAME, "--yes")
    assert back.returncode != 0
    assert "B gives no shell, so no snapshot was made" in back.stderr
    assert place.run("accept", NAME, "--yes").returncode == 0
    after = row(place.run("--json"), NAME)
    assert ends(after)["verify"] == "done", said_of(after)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["append", "full"])
def test_a_socket_on_which_nobody_listens_is_named(place, kind):
    socket = place.folder / kind / escaped(NAME)
    away = socket.with_name("away")
    socket.rename(away)
    try:
        done = place.run("--json")
        looked = place.run("doctor")
    finally:
        away.rename(socket)
    assert done.returncode == 2
    assert f"B: no borg serve answers at its socket {socket}" in said_of(row(done, NAME))
    assert looked.returncode == 2
    assert str(socket) in looked.stdout.replace("\n", " ")


@pytest.mark.slow
def test_a_repository_that_is_gone_is_never_made_anew(place):
    repository = place.world.target(NAME).repository
    away = repository.with_name("away")
    repository.rename(away)
    try:
        done = place.run("--json")
    finally:
        away.rename(repository)
    assert (done.returncode, row(done, NAME)["errors"][0]["rules"]) == (
        3,
        ["the repository is gone: there is nothing at its path"],
    )
    assert not repository.with_name("away").exists()
    # It stays closed, though it is there again.
    assert place.run("accept", NAME, "--yes").returncode == 0


@pytest.mark.slow
def test_any_borg_command_goes_through_the_sockets(place):
    last = row(place.run(*UNCHECKED), NAME)
    assert last["outcome"] == "done", said_of(last)
    listed = place.run("borg", NAME, "--", "list", "--format={archive}{NL}")
    assert listed.returncode == 0, listed.stderr
    assert last["archive"]["name"] in listed.stdout.split()
    told = place.run("borg", NAME, "--", "create", "::mine", str(place.folder))
    assert told.returncode == 1
    assert (
        "the next run will close its repository: 1 archive came that the controller did not ask for: mine"
        in told.stderr
    )
    assert place.run("accept", NAME, "--yes").returncode == 0
    settled = place.run("borg", NAME, "--full-access", "--", "delete", "::mine")
    assert settled.returncode == 0
    assert "archives gone: mine" in settled.stderr
    assert row(place.run(*UNCHECKED), NAME)["outcome"] == "done"


@pytest.mark.slow
def test_what_was_backed_up_is_restored_onto_the_target_and_its_session_is_judged(place, tmp_path):
    target = place.world.target(NAME)
    last = row(place.run(*UNCHECKED), NAME)
    assert last["outcome"] == "done", said_of(last)
    folder = tmp_path / "back"
    done = place.run("restore", NAME, "--onto-target", "--to", str(folder), "--verify")
    assert done.returncode == 0, done.stderr
    assert differences(target.source, folder / target.source.relative_to("/")) == []
    untrusted = target.host.directory / "deleting borg"
    plant_attack(untrusted, "delete_chunks")
    attacked = place.run("restore", NAME, "--onto-target", "--to", str(tmp_path / "again"), BorgPath=str(untrusted))
    assert attacked.returncode == 3, attacked.stderr
