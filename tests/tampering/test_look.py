"""The scripts that look at a repository on B, run by a shell of this machine."""

import asyncio
import subprocess

import pytest

from borgpull.guard import File
from borgpull.ledger import scripts_read, scripts_write
from borgpull.ledger.scripts_read import read_found
from borgpull.ssh import read_answer
from borgpull.ssh.framing import _AFTER, _BEFORE

MARK = "a" * 32


def answered(script, *words):
    argv = ["sh", "-c", _BEFORE + script + _AFTER, "sh", MARK, *map(str, words)]
    done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=True)

    async def read():
        stream = asyncio.StreamReader()
        stream.feed_data(done.stdout)
        stream.feed_eof()
        return await read_answer(stream, MARK, most=1_000_000)

    return asyncio.run(read())


def look(repository, ledger, most):
    answer = answered(scripts_read.LOOK, repository, ledger, most)
    assert answer.failed == ""
    return read_found(answer)


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
        found = look(place, ledger, most)
        assert (found.repository, found.ledger, found.unreadable) == (True, None, "")
        assert found.segments == {3, 17}
        assert found.files == {
            "config": File(plain=True, data=b"[repository]\n"),
            "hints.17": File(plain=True, data=b"h" * most),
            "last.17": File(plain=True, data=b""),
        }
        assert list(ledger.iterdir()) == []


def test_the_segment_of_the_last_commit_is_looked_into_or_said_to_be_gone(repository):
    place, ledger = repository
    segment = place / "data" / "0" / "17"
    for there, seen in ((b"BORG_SEG", b"BORG_SEG"), (bytes(17), bytes(17)), (b"x" * 500, b"x" * 18)):
        segment.write_bytes(there)
        assert look(place, ledger, 5000).files["last.17"].data == seen
    segment.unlink()
    assert look(place, ledger, 5000).files["last.17"].data == b""


@pytest.mark.parametrize("most", [5000, 100])
def test_what_is_no_plain_file_is_not_followed(repository, tmp_path, most):
    place, ledger = repository
    (tmp_path / "secret").write_text("secret")
    (place / "config").unlink()
    (place / "config").symlink_to(tmp_path / "secret")
    subprocess.run(["mkfifo", str(place / "nonce")], check=True)
    (ledger / "ledger.json").symlink_to(tmp_path / "secret")
    found = look(place, ledger, most)
    assert set(found.files) == {"config", "nonce", "hints.17", "last.17"}
    assert {name for name, file in found.files.items() if file.plain} == {"hints.17", "last.17"}
    assert (found.ledger, found.unreadable) == (None, "it is no file: link")


def test_what_a_dying_borg_left_behind_is_no_record_and_does_not_harm(repository):
    place, ledger = repository
    (place / "hints.18.tmp").write_bytes(b"half")
    (place / "data" / "0" / "18.tmp").touch()
    (place / "lock.exclusive").mkdir()
    found = look(place, ledger, 5000)
    assert (set(found.files), found.segments) == ({"config", "hints.17", "last.17"}, {3, 17})


def test_that_nothing_is_there_is_told_apart_from_what_is_no_repository(tmp_path):
    assert not look(tmp_path / "nothing", tmp_path / "nowhere", 10).repository
    (tmp_path / "file").touch()
    found = look(tmp_path / "file", tmp_path / "nowhere", 10)
    assert (found.repository, found.files, found.segments) == (True, {}, set())


def test_the_place_of_each_ledger_below_rootdir_is_known_by_the_id_of_its_repository(tmp_path):
    ids = tmp_path / ".borgpull" / "ids"
    folders = {"1" * 64: tmp_path / ".borgpull" / "web one", "2" * 64: tmp_path / "old" / ".borgpull" / "data" / "db"}
    for number, folder in folders.items():
        folder.mkdir(parents=True)
        (folder / "ledger.retired.json").write_text(f'{{"version":1,"repository_id":"{number}"}}\n')
    (folders["1" * 64] / "ledger.json").write_text('{"damaged')
    for number, folder in folders.items():
        answer = answered(scripts_write.FIND_ID, ids, number)
        assert (answer.failed, answer.text("place")) == ("", str(folder))
    assert (answered(scripts_write.FIND_ID, ids, "3" * 64)["place"].kind, len(list(ids.iterdir()))) == ("nothing", 2)


@pytest.mark.parametrize(
    ("said", "status", "fails"),
    [
        ("find: '/x/lock.exclusive': No such file or directory", 1, False),
        ("find: '/x/data': Input/output error", 1, True),
        ("find: '/x': No such file or directory\nfind: '/x/data': Permission denied", 1, True),
        ("sh: find: No such file or directory", 127, True),
        ("", 1, True),
        ("", 137, True),
    ],
)
def test_what_goes_while_ledgers_are_searched_for_is_none_but_what_cannot_be_read_is_said(
    tmp_path, said, status, fails
):
    # Other jobs are at work below RootDir: their locks come and go.
    folder = tmp_path / "root" / ".borgpull" / "web"
    folder.mkdir(parents=True)
    (folder / "ledger.json").write_text(f'{{"repository_id":"{"1" * 64}"}}\n')
    find = f'find() {{ command find "$@"; printf %s "{said}" >&2; return {status}; }}\n'
    answer = answered(find + scripts_write.FIND_ID, tmp_path / "root" / ".borgpull" / "ids", "1" * 64)
    assert (bool(answer.failed), "place" in answer.parts) == (fails, not fails)
    left = sorted(place.name for place in (tmp_path / "root" / ".borgpull").iterdir())
    assert left == (["web"] if fails else ["ids", "web"])
    assert (folder / "ledger.json").is_file()
