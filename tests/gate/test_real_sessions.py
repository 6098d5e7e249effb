"""Borg through the gate to `borg serve`: honest sessions pass; what they may not do is stopped before it happens."""

import socket
import subprocess

import pytest
from gated_repository import GatedRepository

from borgpull.gate import relay
from borgpull.guard import State
from guard.real_repository import ATTACKS

# The versions of T's and B's borg.
PAIRS = [
    ("1.2", "1.4"),
    pytest.param(("1.4", "1.2"), marks=pytest.mark.slow),
    pytest.param(("1.2", "1.2"), marks=pytest.mark.slow),
    pytest.param(("1.4", "1.4"), marks=pytest.mark.slow),
]
# What T's borg is stopped for.
STOPPED = {
    "delete_beside_manifest": "delete an older object (delete)",
    "overwrite_one_chunk": "overwrite an older object (put)",
    "replace_key": "replace the repository key (save_key)",
    "break_lock": "work without a lock (open)",
    "lower_nonce": "lower the nonce (commit_nonce_reservation)",
    "delete_archive": "delete an older object (delete)",
    "delete_chunks": "delete an older object (delete)",
    "overwrite_all_chunks": "overwrite an older object (put)",
    "replace_archive": "delete an older object (delete)",
    "hide_deletion": "delete an older object (delete)",
    "claim_after_breaking_lock": "work without a lock (open)",
}
QUICK = ["delete_beside_manifest", "overwrite_one_chunk", "replace_key"]
# What is written into the list of archives is encrypted: the gate cannot see it, the judge of the session does.
SEEN_AFTERWARDS = {
    "drop_archives",
    "add_dated_archives",
    "point_name_elsewhere",
    "change_time",
    "second_archive",
    "backdate",
}
HARMLESS = {"claim_success", "hostile_text", "endless_line", "flood", "wrong_json"}


def some(names: list[str], *, quick: list[str]) -> list[object]:
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: f"T{pair[0]}-B{pair[1]}")
def made(request, tmp_path_factory):
    """A repository with one archive that came through the gate, which asks for few objects at a time."""
    before, relay._LIST = relay._LIST, 4
    repository = GatedRepository(tmp_path_factory.mktemp("gate") / "home", *request.param).make()
    status, verdict = repository.session()
    assert (status, verdict.state, repository.report.refused) == (0, State.CLEAN, "")
    assert len(verdict.added) == 1
    repository.change(2)
    repository.keep()
    yield repository
    relay._LIST = before


@pytest.fixture
def repository(made):
    """The repository with one archive, put back for each test."""
    made.put_back()
    return made


def objects(repository: GatedRepository) -> dict[str, bytes]:
    """Return the settings, and the segments there were, byte for byte."""
    segments = [path for path in repository.path.glob("data/*/*") if int(path.name) <= repository.known.transaction]
    return {str(path): path.read_bytes() for path in [*segments, repository.path / "config"]}


@pytest.mark.parametrize("attack", some(list(STOPPED), quick=QUICK))
def test_an_attack_is_stopped_before_it_happens(repository, attack):
    before, known = objects(repository), repository.known
    verdict = repository.attacked(attack)
    assert STOPPED[attack] in repository.report.refused
    assert (verdict.state, verdict.rules) == (State.CLEAN, ())
    repository.known = known
    assert objects(repository) == before


@pytest.mark.parametrize("attack", some(sorted(SEEN_AFTERWARDS), quick=[]))
def test_what_is_hidden_in_the_list_of_archives_is_for_the_judge_to_see(repository, attack):
    verdict = repository.attacked(attack)
    assert (repository.report.refused, verdict.state) == ("", State.TAMPERED)


def test_every_attack_is_thought_of():
    listed = subprocess.run(["/usr/bin/python3", ATTACKS / "attack.py", "list"], capture_output=True, check=True)
    assert set(listed.stdout.decode().split()) == STOPPED.keys() | SEEN_AFTERWARDS | HARMLESS


def test_checkpoints_and_what_is_left_of_them_pass(repository):
    with repository.gate():
        verdict = repository.cut_off(end="nobody", checkpoint=True)
    assert (verdict.state, repository.report.refused) == (State.CLEAN, "")
    assert [archive.name for archive in verdict.added] == ["snapshot-002"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["client", "serve"])
def test_a_session_that_is_cut_off_is_resumed(repository, end):
    with repository.gate():
        verdict = repository.cut_off(end=end, checkpoint=True)
    assert (verdict.state, repository.report.refused) == (State.CLEAN, "")
    status, verdict = repository.session()
    assert (status, verdict.state, repository.report.refused) == (0, State.CLEAN, "")


def test_a_stranger_at_the_socket_is_stopped(repository):
    with repository.gate(), socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(repository.home.parent / "gate"))
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(1000) == b""
    assert "does not speak the protocol" in repository.report.refused
    assert repository.verdict("none", 0.0).rules == ()


def test_a_failed_opening_is_for_borg_to_explain(repository):
    repository.path.rename(repository.path.with_name("away"))
    repository.home.joinpath("sources", "more").write_bytes(b"more")
    status, _out, err = repository.run(
        [*repository.target_borg, "create", "::x", str(repository.sources)], "T", append_only=True
    )
    repository.path.with_name("away").rename(repository.path)
    assert (status, repository.report.refused, repository.report.broken) == (2, "", "")
    assert b"does not exist" in err, err
