"""How an operator closes a case: accept, rollback, key; and what happens where there is nothing to go back to."""

import os
import shutil
import sys

import pexpect
import pytest

from support import ROOT, World, loopback_world
from support.following import same_as
from support.kept import Kept
from support.reading import only
from tampering.catalogue import remove_files


@pytest.fixture(scope="module")
def kept():
    with loopback_world() as world:
        done = world.run()
        assert done.returncode == 0, done.stderr
        yield Kept(world)


@pytest.fixture
def backed_up(kept):
    """A world in which both targets have an archive, and nothing else has happened."""
    return kept.put_back()


def ledger_of(world: World, name: str):
    return world.lab.root / ".borgpull" / name / "ledger.json"


def asked(world: World, *arguments: str, answer: str) -> tuple[int, str]:
    """Run a command on a terminal, answer its question, and return its exit code and what it said."""
    config = world.memory / "config.toml"
    config.write_text(world.lab.config_text())
    environment = world.environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with pexpect.spawn(
        sys.executable,
        ["-m", "borgpull", *arguments, "--config", str(config)],
        env=environment,
        cwd=str(ROOT),
        timeout=60,
        encoding="utf-8",
    ) as child:
        child.expect(r"\[y/N\] ")
        said = child.before
        child.sendline(answer)
        child.expect(pexpect.EOF)
        said += child.before
    config.unlink()
    return child.exitstatus, said


def test_an_archive_deleted_by_hand_stops_the_runs_until_it_is_accepted(backed_up):
    world, target = backed_up, backed_up.target("web")
    gone = world.lab.archives(target)[0]
    world.lab.borg(target, "delete", f"::{gone}")
    found = world.run("-q", config=only(world.lab.config(), "web"))
    assert found.returncode == 3
    assert "was changed between two runs" in found.stderr
    assert f"1 archive vanished: {gone}" in found.stderr
    before, known = same_as(target.repository), ledger_of(world, "web").read_bytes()

    for command in ("rollback", "accept"):
        code, said = asked(world, command, "web", answer="n")
        assert code == 3
        assert f"1 archive vanished: {gone}" in said
        assert "nothing was changed" in said
        unasked = world.run(command, "web")
        assert unasked.returncode == 4
        assert "hint: add --yes" in unasked.stderr
    assert same_as(target.repository) == before
    assert ledger_of(world, "web").read_bytes() == known

    code, said = asked(world, "accept", "web", answer="y")
    assert code == 0, said
    assert world.run("-q", config=only(world.lab.config(), "web")).returncode == 0
    assert len(world.lab.archives(target)) == 1


def test_a_rollback_without_the_segments_it_needs_refuses_and_changes_nothing(backed_up):
    world, target = backed_up, backed_up.target("web")
    max(target.repository.glob("data/*/*"), key=lambda place: place.stat().st_size).unlink()
    found = world.run("-q", config=only(world.lab.config(), "web"))
    assert found.returncode == 3
    assert "1 segment file is gone from the backup server" in found.stderr
    before, known = same_as(target.repository), ledger_of(world, "web").read_bytes()
    refused = world.run("rollback", "web", "--yes")
    assert refused.returncode == 2
    assert "the backup server lacks 1 segment of the last verified state" in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert same_as(target.repository) == before
    assert ledger_of(world, "web").read_bytes() == known


def test_what_a_run_verified_that_failed_afterwards_can_be_put_back(backed_up):
    world, target = backed_up, backed_up.target("web")
    for place in sorted(target.source.rglob("*"), reverse=True):
        place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
    assert world.run("-q", config=only(world.lab.config(), "web")).returncode == 2
    both = world.lab.archives(target)
    assert len(both) == 2
    assert not (ledger_of(world, "web").parent / "snapshot").exists(), "it is of the state before"
    world.lab.borg(target, "delete", f"::{both[0]}")
    assert world.run("-q", config=only(world.lab.config(), "web")).returncode == 3
    done = world.run("rollback", "web", "--yes")
    assert done.returncode == 0, done.stderr
    # The lab's own borg has seen the newer state, and would refuse this one.
    shutil.rmtree(world.lab.directory / "onlooker")
    assert world.lab.archives(target) == both


def test_a_repository_whose_data_was_moved_behind_a_link_is_not_closed(backed_up):
    world, target = backed_up, backed_up.target("web")
    target.repository.joinpath("data").rename(target.repository / "elsewhere")
    target.repository.joinpath("data").symlink_to("elsewhere")
    done = world.run("-q", config=only(world.lab.config(), "web"))
    assert done.returncode == 2, done.stderr
    assert "the `data` of its repository is no folder: link" in done.stderr
    target.repository.joinpath("data").unlink()
    target.repository.joinpath("elsewhere").rename(target.repository / "data")
    assert world.run("-q", config=only(world.lab.config(), "web")).returncode == 0


def test_a_repository_that_is_gone_or_emptied_is_never_made_anew_unasked(backed_up):
    world = backed_up
    gone, emptied = world.target("web").repository, world.target("mail").repository
    shutil.rmtree(gone)
    remove_files(emptied)
    for _ in range(2):
        found = world.run("-q")
        assert found.returncode == 3
        assert "the repository is gone: there is nothing at its path" in found.stderr
        assert "the repository is empty" in found.stderr
        assert not gone.exists()
        assert list(emptied.iterdir()) == []
    refused = world.run("rollback", "web", "--yes")
    assert refused.returncode == 2
    assert "the backup server lacks" in refused.stderr
    assert world.run("accept", "web", "--yes").returncode == 0
    made = world.run(config=only(world.lab.config(), "web"))
    assert made.returncode == 0, made.stderr
    assert "made a new repository" in made.stderr


def test_a_damaged_ledger_is_no_ledger_and_the_repository_stays_as_it_is(backed_up):
    world, target = backed_up, backed_up.target("web")
    ledger_of(world, "web").write_bytes(b'{"version": 1, "phase": "clean", "evidence": [[[')
    before = same_as(target.repository)
    found = world.run("-q", config=only(world.lab.config(), "web"))
    assert found.returncode == 3
    assert "its repository could not be verified" in found.stderr
    assert "its ledger cannot be read: it is damaged" in found.stderr
    refused = world.run("rollback", "web", "--yes")
    assert refused.returncode == 2
    assert "there is nothing to go back to" in refused.stderr
    assert same_as(target.repository) == before
    assert world.run("accept", "web", "--yes").returncode == 0
    assert world.run("-q", config=only(world.lab.config(), "web")).returncode == 0


def test_the_key_is_kept_and_opens_a_repository_whose_key_was_replaced(backed_up, tmp_path):
    world, target = backed_up, backed_up.target("web")
    file = tmp_path / "key"
    assert world.run("key", "web", "-o", str(file)).returncode == 0
    assert file.stat().st_mode & 0o077 == 0
    kept = file.read_text()
    assert kept == world.run("key", "web").stdout
    again = world.run("key", "web", "-o", str(file))
    assert again.returncode == 4
    assert "already exists" in again.stderr
    assert file.read_text() == kept
    paper = world.run("key", "web", "--paper").stdout
    assert paper.count("\n") > 20
    assert "BORG PAPER KEY v1" in paper

    config = target.repository / "config"
    other = (world.target("mail").repository / "config").read_text()
    config.write_text(config.read_text().partition("key = ")[0] + "key = " + other.partition("key = ")[2])
    found = world.run("-q", config=only(world.lab.config(), "web"))
    assert found.returncode == 3
    assert "the repository key was replaced" in found.stderr
    assert world.run("key", "web").stdout == kept, "the ledger has it still"
    paper = world.run("key", "web", "--paper")
    assert paper.returncode == 2
    assert "is not the verified one any more" in paper.stderr

    world.lab.borg(target, "key", "import", "::", str(file))
    assert len(world.lab.archives(target)) == 1
    back = world.run("rollback", "web", "--yes")
    assert back.returncode == 0, back.stderr
    assert world.run("-q", config=only(world.lab.config(), "web")).returncode == 0
