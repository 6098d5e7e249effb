"""Every attack of a malicious borg on T is noticed, and called by its name. Real borg on both sides, 1.2 and 1.4."""

import re
import subprocess

import pytest
from real_repository import ATTACKS, Repository

from borgpull.guard import State

VERSIONS = ("1.2", pytest.param("1.4", marks=pytest.mark.slow))
# What an operator is told after each attack: all of these, and nothing else.
TOLD = {
    "delete_archive": [r"1 archive vanished: snapshot-001", r"\d+ older objects were deleted or overwritten"],
    "delete_chunks": [r"\d+ older objects were deleted or overwritten"],
    "overwrite_all_chunks": [r"\d+ older objects were deleted or overwritten"],
    "overwrite_one_chunk": [r"1 older object was deleted or overwritten"],
    "replace_key": [r"the repository key was replaced", r"the archives cannot be listed: .*"],
    "drop_archives": [r"2 archives vanished: snapshot-001, snapshot-002"],
    "add_dated_archives": [r"5 archives came that the controller did not ask for: daily-1, daily-2, .*"],
    "point_name_elsewhere": [r"1 archive was replaced by another of its name: snapshot-001"],
    "change_time": [r"1 archive's time was changed: snapshot-001"],
    "replace_archive": [
        r"1 archive was replaced by another of its name: snapshot-001",
        r"\d+ older objects were deleted or overwritten",
    ],
    "second_archive": [r"1 archive came that the controller did not ask for: snapshot-003-too"],
    "lower_nonce": [r"the nonce was lowered"],
    "hide_deletion": [r"1 older object was deleted or overwritten"],
    "break_lock": [r"1 archive vanished: snapshot-001", r"\d+ older objects were deleted or overwritten"],
    "backdate": [r"the new archive is dated 2001-02-03T04:05:06\S*, outside of the session"],
    "delete_beside_manifest": [r"1 older object was deleted or overwritten"],
}
NOTHING_WRITTEN = {"claim_success", "claim_after_breaking_lock"}
OUTPUTS = {"hostile_text", "endless_line", "flood", "wrong_json"}


@pytest.fixture(scope="module", params=VERSIONS)
def two_archives(request, tmp_path_factory):
    """A repository with two archives of different files, T and B of the same version."""
    home = tmp_path_factory.mktemp("two") / "home"
    repository = Repository(home, request.param, request.param).make()
    for _ in range(2):
        assert repository.session()[1].state is State.CLEAN
        repository.change(2)
    repository.keep()
    return repository


@pytest.fixture
def repository(two_archives):
    """The repository with two archives, put back for each test."""
    two_archives.put_back()
    return two_archives


@pytest.mark.parametrize("attack", TOLD)
def test_is_noticed_and_called_by_its_name(repository, attack):
    status, verdict = repository.session(attack=attack)
    assert status == 0, "T claims success"
    assert verdict.state is State.TAMPERED
    told, on_output = TOLD[attack], verdict.rules
    assert len(told) == len(on_output), on_output
    assert all(re.match(rule, said) for rule, said in zip(told, on_output, strict=True)), on_output


@pytest.mark.parametrize("attack", sorted(NOTHING_WRITTEN))
def test_a_claimed_success_added_nothing(repository, attack):
    status, verdict = repository.session(attack=attack)
    assert (status, verdict.state, verdict.added) == (0, State.CLEAN, ())


def test_every_attack_there_is_is_tried():
    listed = subprocess.run(
        ["/usr/bin/python3", ATTACKS / "attack.py", "list"], capture_output=True, text=True, check=True
    )
    assert set(listed.stdout.split()) == TOLD.keys() | NOTHING_WRITTEN | OUTPUTS


def test_a_segment_file_removed_behind_borgs_back_is_noticed(repository):
    oldest = min(segment for segment, objects in repository.known.live.items() if objects)
    next(repository.path.glob(f"data/*/{oldest}")).unlink()
    _, verdict = repository.session()
    assert (verdict.state, verdict.rules) == (
        State.TAMPERED,
        (f"1 segment file is gone from the backup server: {oldest}",),
    )
