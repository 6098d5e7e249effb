"""A file is replaced whole or not at all, and keeps who may read it."""

import os
import stat

import pytest

from borgpull import files


def mode(file):
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("before", [None, "an older, longer text"])
def test_the_new_file_has_the_mode_that_was_asked_for(tmp_path, before):
    file = tmp_path / "file"
    if before:
        file.write_text(before)
    files.replace(file, b"new", mode=0o600)
    assert (file.read_bytes(), mode(file)) == (b"new", 0o600)
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_without_a_mode_it_keeps_the_mode_and_owner_of_the_old_one(tmp_path):
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(0o640)
    os.chown(file, 1234, 4321)
    files.replace(file, b"new")
    assert (file.read_bytes(), mode(file), file.stat().st_uid, file.stat().st_gid) == (b"new", 0o640, 1234, 4321)


def test_without_a_mode_there_has_to_be_a_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.replace(tmp_path / "file", b"new")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_what_fails_leaves_the_old_one_and_nothing_beside_it(tmp_path, monkeypatch, call):
    file = tmp_path / "file"
    file.write_text("old")

    def broken(*_):
        raise OSError("no")

    monkeypatch.setattr(os, call, broken)
    with pytest.raises(OSError, match="no"):
        files.replace(file, b"new", mode=0o600)
    assert file.read_text() == "old"
    assert [*tmp_path.iterdir()] == [file]
