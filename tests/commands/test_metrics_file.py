"""`run --metrics FILE` as node_exporter sees it: whole, readable by anybody, and right after each run."""

import errno
import os
import stat

import pytest
from prometheus_client.parser import text_string_to_metric_families

from borgpull.cli.run import Textfile
from borgpull.ui.board import Board
from support.reading import events, move, nobody_listens, until

ODD = 'w"e\\b'
SUCCESS = "borgpull_target_last_success_timestamp_seconds"


def scraped(file) -> dict[tuple[str, ...], float]:
    samples = [s for family in text_string_to_metric_families(file.read_text("utf-8")) for s in family.samples]
    return {(s.name, *s.labels.values()): s.value for s in samples}


def test_a_real_run_and_one_that_fails_after_it(world, tmp_path):
    file = tmp_path / "borgpull.prom"
    config = world.lab.config()
    config["Servers"][0]["Name"] = ODD
    done = world.run("--metrics", str(file), config=config)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o644, "node_exporter is another user"
    good = scraped(file)
    assert good[SUCCESS, ODD] > 0
    assert good["borgpull_target_files", ODD] > 0
    assert good["borgpull_target_verdict", "mail", "clean"] == 1
    assert good["borgpull_run_exit_code",] == 0

    config["Borg"]["Retries"] = 0
    move(config, ODD, nobody_listens(), world.target("web").host.host_key.public)
    failed = world.run("--metrics", str(file), "--only", ODD, config=config)
    assert failed.returncode == 2
    bad = scraped(file)
    assert bad[SUCCESS, ODD] == good[SUCCESS, ODD]
    assert (bad["borgpull_target_outcome", ODD, "failed"], bad["borgpull_run_exit_code",]) == (1, 2)
    assert {key: value for key, value in bad.items() if "mail" in key} == {
        key: value for key, value in good.items() if "mail" in key
    }
    assert [*tmp_path.iterdir()] == [file], "nothing is left beside it"


@pytest.mark.parametrize(
    ("place", "words"), [("nowhere/a.prom", "cannot create a file in"), ("folder", "is not a file")]
)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_contacted(shared_world, tmp_path, place, words):
    (tmp_path / "folder").mkdir()
    result = shared_world.run("--metrics", str(tmp_path / place))
    assert result.returncode == 4
    assert words in result.stderr
    assert [place.name for place in shared_world.lab.root.iterdir()] == [".borgpull"]


def test_a_folder_that_vanished_meanwhile_is_a_warning_and_the_exit_code_stays(shared_world, tmp_path):
    folder, told = tmp_path / "textfiles", tmp_path / "events"
    folder.mkdir()
    config = shared_world.lab.config()
    config["Borg"]["Retries"] = 0
    for name in ("web", "mail"):
        move(config, name, nobody_listens(), shared_world.target(name).host.host_key.public)
    with shared_world.start("--metrics", str(folder / "a.prom"), "--events", str(told)) as process:
        # The config is waited for in there, after the look at the folder.
        until(lambda: [*shared_world.memory.glob("borgpull-*")], process=process)
        folder.rmdir()
        _, stderr = process.communicate(shared_world.lab.config_text(config), timeout=120)
    assert events(told)
    assert process.returncode == 2
    assert "warning: --metrics" in stderr
    assert "the file is as it was before this run" in stderr


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch, capsys):
    file = tmp_path / "a.prom"
    file.write_text("old\n")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    Textfile(str(file)).update(Board(), targets=["web"], exit_code=0)
    assert f"warning: --metrics {file}: No space left" in capsys.readouterr().err
    assert file.read_text() == "old\n"
    assert [*tmp_path.iterdir()] == [file]
