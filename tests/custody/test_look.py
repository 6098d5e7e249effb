"""The script that looks at a repository on B, run by a shell of this machine."""

import io
import subprocess
import tarfile

import pytest

from borgpull.ledger.scripts import LOOK


def look(repository, folder, most):
    argv = ["sh", "-c", LOOK, "sh", str(repository), str(folder), "1", str(most)]
    head, _, tar = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout.partition(b"\n\n")
    with tarfile.open(fileobj=io.BytesIO(tar)) as read:
        members = {member.name: member for member in read}
        held = {name: read.extractfile(member).read() for name, member in members.items() if member.isfile()}
    return head.decode().splitlines(), members, held


@pytest.fixture
def repository(tmp_path):
    place, ledger = tmp_path / "it's a repository", tmp_path / "its ledger"
    (place / "data" / "0").mkdir(parents=True)
    ledger.mkdir()
    for segment in (3, 17):
        (place / "data" / "0" / str(segment)).touch()
    (place / "config").write_text("[repository]\n")
    (place / "hints.17").write_bytes(b"h" * 5000)
    return place, ledger


def test_hints_longer_than_what_is_of_use_are_cut_off(repository):
    place, ledger = repository
    for most in (5000, 4999, 100):
        head, _, held = look(place, ledger, most)
        found, segments = head
        assert (found, {*segments.split()}) == ("repository", {"segments", "3", "17"})
        assert held == {"config": b"[repository]\n", "hints.17": b"h" * most}
        assert list(ledger.iterdir()) == []


@pytest.mark.parametrize("most", [5000, 100])
def test_what_is_no_plain_file_is_not_followed(repository, tmp_path, most):
    place, ledger = repository
    (tmp_path / "secret").write_text("secret")
    (place / "config").unlink()
    (place / "config").symlink_to(tmp_path / "secret")
    subprocess.run(["mkfifo", str(place / "nonce")], check=True)
    _, members, held = look(place, ledger, most)
    assert set(members) == {"config", "nonce", "hints.17"}
    assert set(held) == {"hints.17"}
