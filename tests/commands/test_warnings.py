"""What could not be read whole is a warning, what could not be read at all a failure, and odd names are neither."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Spot
from support import World, loopback_world
from support.reading import ends, entry, only, row, said_of

NOBODY = 65534


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Change a file over and over."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.002):
            os.utime(path)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def test_files_that_change_while_they_are_read_are_a_warning_and_are_backed_up(shared_world):
    world, target = shared_world, shared_world.target("web")
    busy = [target.source / "busy\nlog", target.host.directory / "a source path of its own"]
    for path in busy:
        path.touch()
        os.truncate(path, 300_000_000)
    config = only(world.lab.config(), "web")
    config["Borg"]["CheckEvery"] = "always"
    entry(config, "web")["SourcePaths"] += [str(busy[1])]
    entry(config, "web")["WarnOnChange"] = True
    with written_to(busy[0]), written_to(busy[1]):
        result = world.run("--json", config=config)
    assert result.returncode == 1, result.stderr
    seen = row(result, "web")
    assert seen["outcome"] == "warning"
    assert {step: end for step, end in ends(seen).items() if end != "done"} == {"create": "warning"}
    assert said_of(seen).count("file changed while we backed it up") == 2
    assert "warning: " in result.stderr
    listed = world.lab.borg(target, "list", "--short", f"::{seen['archive']['name']}").decode()
    assert "/busy" in listed
    assert "/a source path of its own" in listed
    assert world.leftovers() == []


@pytest.fixture(scope="module")
def unprivileged() -> Iterator[World]:
    """A target whose session is that of an ordinary user, as on a T that gives borgpull no root."""
    as_nobody = f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
    lines = (f'ForceCommand {as_nobody} /bin/sh -c "$SSH_ORIGINAL_COMMAND"', "StreamLocalBindMask 0111")
    with loopback_world([Spot(name="web", sshd_lines=lines)]) as world:
        host = world.target("web").host
        world.lab.directory.chmod(0o711)
        for place in (host.directory, host.temporary):
            os.chown(place, NOBODY, NOBODY)
        world.target("web").source.chmod(0o755)
        yield world


def test_a_file_that_may_not_be_read_is_a_warning(unprivileged):
    world, target = unprivileged, unprivileged.target("web")
    (target.source / "secret").write_text("")
    (target.source / "secret").chmod(0)
    result = world.run("--json")
    (target.source / "secret").unlink()
    assert result.returncode == 1, result.stderr
    assert "secret" in said_of(row(result, "web"))
    assert "Permission denied" in said_of(row(result, "web"))


def test_a_source_path_that_may_not_be_read_is_no_good_backup(unprivileged):
    world, target = unprivileged, unprivileged.target("web")
    closed = target.source / "closed"
    (closed / "below").mkdir(parents=True)
    closed.chmod(0)
    config = world.lab.config()
    entry(config, "web")["SourcePaths"] += [str(closed)]
    result = world.run("--json", config=config)
    closed.chmod(0o755)
    assert result.returncode == 2, result.stderr
    assert str(closed) in said_of(row(result, "web"))
    assert "may" in said_of(row(result, "web")) or "could not be read" in said_of(row(result, "web"))


ODD = ["two words", "$(touch oops)", "'", '"', "-rf", "line\nbreak", "*", "naïve 🐢", "\\", "`id`", "re:x", "~", "!"]


def test_odd_source_paths_and_excludes_arrive_as_they_are(shared_world, tmp_path):
    world, target = shared_world, shared_world.target("mail")
    for name in ODD:
        (target.source / name).mkdir(exist_ok=True)
        (target.source / name / f"kept {name}").write_text(name)
        (target.source / name / f"left out {name}").write_text(name)
    config = only(world.lab.config(), "mail")
    entry(config, "mail")["SourcePaths"] = [f"{target.source}/{name}" for name in ODD]
    entry(config, "mail")["Excludes"] = [f"pf:{target.source}/{name}/left out {name}" for name in ODD]
    result = world.run("--json", config=config)
    assert result.returncode == 0, result.stderr
    back = world.lab.extracted(target, row(result, "mail")["archive"]["name"], tmp_path)
    there = {str(place.relative_to(back)) for place in back.rglob("*") if place.is_file()}
    assert there == {f"{name}/kept {name}" for name in ODD}
    assert all((back / name / f"kept {name}").read_text() == name for name in ODD)
