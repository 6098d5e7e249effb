"""Damage on the backup server that is no attack: it is named, nobody is accused, and one command ends it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import Spot
from support import World, borg_of, loopback_world
from support.following import same_as
from support.kept import Kept
from support.reading import config_of, row, said_of

VERSIONS = ["1.2", pytest.param("1.4", marks=pytest.mark.slow)]


def newest(repository: Path, kind: str) -> Path:
    return max(repository.glob(f"{kind}.*"), key=lambda place: int(place.name.rpartition(".")[2]))


def last_segment(repository: Path) -> Path:
    return max(repository.glob("data/*/*"), key=lambda place: int(place.name))


def torn(place: Path, left: int = 0) -> None:
    """Leave the first bytes of a file, as a power cut does: of this file alone, not of one that is linked to it."""
    data = place.read_bytes()[:left]
    place.unlink()
    place.write_bytes(data)


def zeros(place: Path) -> None:
    """Leave as many zeros as the file had bytes, as some file systems do."""
    size = place.stat().st_size
    place.unlink()
    place.write_bytes(bytes(size))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "integrity": (lambda repo: torn(newest(repo, "integrity")), "is empty or cut off"),
    "half integrity": (lambda repo: torn(newest(repo, "integrity"), 30), "is empty or cut off"),
    "integrity of zeros": (lambda repo: zeros(newest(repo, "integrity")), "is empty or cut off"),
    "hints": (lambda repo: torn(newest(repo, "hints")), "the hints are not what Borg writes"),
    "no hints": (lambda repo: newest(repo, "hints").unlink(), "there are no hints"),
    "nonce": (lambda repo: torn(repo / "nonce"), "the nonce is damaged"),
    "last segment": (lambda repo: torn(last_segment(repo)), "is gone or cut off"),
    "half last segment": (lambda repo: torn(last_segment(repo), 12), "is gone or cut off"),
    "last segment of zeros": (lambda repo: zeros(last_segment(repo)), "is gone or cut off"),
    "no last segment": (lambda repo: last_segment(repo).unlink(), "is gone or cut off"),
}
# What a power cut leaves of several files at once.
DAMAGES["all of them"] = (lambda repo: [each(repo) for each, _ in list(DAMAGES.values())[::3]], "")
QUICK = {"integrity"}


class Stage:
    """A target with two archives, whose borgs are all of one version; B's too."""

    def __init__(self, world: World, version: str) -> None:
        self.world, self.borg = world, borg_of(version)
        self.target = world.target("web")
        self.repository = self.target.repository
        self.ledger = world.lab.root / ".borgpull" / "web"

    def config(self, **changes):
        return config_of(self.world, "web", **({"BorgPath": self.borg} | changes))

    def run(self, *words: str, **changes):
        return self.world.run(*words, config=self.config(**changes), borg=self.borg)

    def night(self, **changes):
        """A run; its exit code, and what it says."""
        result = self.run("--json", **changes)
        return result.returncode, said_of(row(result, "web"))

    def archives(self) -> list[str]:
        # The lab's own borg may have seen a newer state.
        shutil.rmtree(self.world.lab.directory / "onlooker", ignore_errors=True)
        return self.world.lab.archives(self.target)


@pytest.fixture(scope="module", params=VERSIONS)
def kept(request):
    with loopback_world(["web"], server=Spot(name="B", borg_path=borg_of(request.param)), planted=False) as world:
        stage = Stage(world, request.param)
        for number in range(2):
            (stage.target.source / f"file {number}").write_bytes(os.urandom(60_000))
            assert stage.run("-q").returncode == 0
        yield Kept(world), stage


@pytest.fixture
def stage(kept):
    kept[0].put_back()
    return kept[1]


@pytest.mark.parametrize(
    "damage", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in DAMAGES]
)
def test_what_a_power_cut_leaves_on_the_backup_server_is_named_and_put_right_by_a_rollback(stage, damage):
    harm, words = DAMAGES[damage]
    before = stage.archives()
    nonce = (stage.repository / "nonce").read_bytes()
    harm(stage.repository)
    code, said = stage.night()
    assert code == 2, said
    assert said.startswith("B: a repository is damaged, as after a power cut or on a failing disk: "), said
    assert words in said
    assert "`borgpull rollback web`" in said
    refused = stage.run("accept", "web", "--yes")
    assert (refused.returncode, "run `borgpull rollback web`" in refused.stderr) == (2, True), refused.stderr
    done = stage.run("rollback", "web", "--yes")
    assert done.returncode == 0, done.stderr
    assert "will refuse this older state" not in done.stderr, "no borg has seen another one"
    assert stage.archives() == before
    assert (stage.repository / "nonce").read_bytes() >= nonce, "it is never lowered"
    stage.world.lab.borg(stage.target, "check", "--verify-data")
    code, said = stage.night()
    assert code == 0, said
    assert len(stage.archives()) == 3


@pytest.mark.slow
def test_records_damaged_while_a_run_was_at_work_are_put_right_from_the_snapshot(stage, tmp_path):
    before = stage.archives()
    dying = tmp_path / "borg"
    dying.write_text(f'#!/bin/sh\n{stage.borg} "$@"\nkill -KILL $(cat {tmp_path}/pid)\n')
    dying.chmod(0o755)
    (stage.target.source / "more").write_bytes(os.urandom(60_000))
    config = stage.world.lab.config_text(stage.config(BorgPath=str(dying)))
    with stage.world.start("-q", borg=stage.borg) as run:
        (tmp_path / "pid").write_text(str(run.pid))
        run.communicate(config, timeout=120)
    assert run.returncode == -9
    for kind in ("integrity", "hints"):
        torn(newest(stage.repository, kind))
    code, said = stage.night()
    assert code == 3, said
    done = stage.run("rollback", "web", "--yes")
    assert done.returncode == 0, done.stderr
    assert stage.archives() == before
    code, said = stage.night()
    assert code == 0, said


def begun(stage: Stage, state: str) -> None:
    """Leave of the repository what a `borg init` leaves that is cut off, as if nobody had ever backed up."""
    kept = stage.repository.with_name("kept")
    stage.repository.rename(kept)
    # Its ledger, and what C knows of it, are gone too.
    shutil.rmtree(stage.world.lab.root / ".borgpull")
    shutil.rmtree(stage.world.cache / "borgpull")
    # So is what borg on the target has seen.
    shutil.rmtree(stage.target.host.directory / ".config")
    (stage.world.lab.root / ".borgpull" / ".borgpull" / "ids").mkdir(parents=True)
    stage.repository.mkdir()
    for name in {"nothing": (), "no config": ("README",)}.get(state, ("README", "config")):
        shutil.copy(kept / name, stage.repository)
    if state in ("no config", "full disk", "no manifest", "no commit"):
        (stage.repository / "data").mkdir()
    if state == "full disk":
        (stage.repository / "config").write_bytes(b"")
    if state == "no commit":
        (stage.repository / "data" / "0").mkdir()
        (stage.repository / "data" / "0" / "0").write_bytes(b"BORG_SEG" + bytes(500))
    shutil.rmtree(kept)


STATES = ["nothing", "no config", "full disk", "no manifest", "no commit"]


@pytest.mark.parametrize(
    "state", [STATES[3], *(pytest.param(each, marks=pytest.mark.slow) for each in STATES[:3] + STATES[4:])]
)
def test_half_a_new_repository_is_moved_aside_and_made_anew(stage, state):
    begun(stage, state)
    there = same_as(stage.repository)
    code, said = stage.night()
    assert code == 0, said
    assert "a `borg init` was cut off before: what it left was moved away" in said
    (aside,) = stage.ledger.glob("half-made.*/web")
    assert same_as(aside) == there
    assert len(stage.archives()) == 1
    code, said = stage.night()
    assert (code, said) == (0, "")


@pytest.mark.parametrize("other", [pytest.param("a file", marks=pytest.mark.slow), "objects"])
def test_what_is_not_clearly_half_a_new_repository_is_left_alone(stage, other):
    begun(stage, "no manifest")
    (stage.repository / "data" / "0").mkdir()
    place = stage.repository / ("notes" if other == "a file" else "data/0/7")
    place.write_bytes(bytes(100))
    there = same_as(stage.repository)
    for _ in range(2):
        code, said = stage.night()
        assert code == 2
        assert "neither a repository nor half of a new one" in said
        assert place.name in said
    assert same_as(stage.repository) == there


CACHES = {"config": 0, "chunks": 0, "half chunks": 40, "half config": 40}


@pytest.mark.parametrize(
    "part", [*list(CACHES)[:1], *(pytest.param(each, marks=pytest.mark.slow) for each in list(CACHES)[1:])]
)
def test_a_cache_on_a_target_that_is_damaged_is_made_anew_and_the_backup_tried_once_more(stage, part):
    home = stage.target.host.directory
    (cache,) = home.glob(".cache/borg/" + "?" * 64)
    torn(cache / part.split()[-1], CACHES[part])
    (security,) = home.glob(".config/borg/security/" + "?" * 64)
    nonce = (security / "nonce").read_bytes()
    result = stage.run("--json")
    assert result.returncode == 0, said_of(row(result, "web"))
    details = [step["detail"] for step in row(result, "web")["steps"] if step["step"] == "create"]
    assert any("its borg cache may be damaged" in each for each in details), details
    assert row(result, "web")["verdict"] == "clean"
    assert len(stage.archives()) == 3
    assert (security / "nonce").read_bytes() >= nonce, "what keeps others from putting an older state back stays"
    code, said = stage.night()
    assert (code, said) == (0, "")


@pytest.mark.slow
def test_a_borg_on_a_target_that_fails_for_what_nobody_knows_is_tried_once_more_and_no_more(stage, tmp_path):
    odd = tmp_path / "borg"
    odd.write_text(
        f'#!/bin/sh\ncase $1 in create) echo >>{tmp_path}/tried; echo odd >&2; exit 2 ;; esac\nexec {stage.borg} "$@"\n'
    )
    odd.chmod(0o755)
    code, said = stage.night(BorgPath=str(odd))
    assert code == 2
    assert "borg create failed (exit 2): odd" in said
    assert (tmp_path / "tried").read_text().count("\n") == 2
    assert len(stage.archives()) == 2


@pytest.mark.slow
def test_archives_without_a_proof_are_authenticated_once_they_are_those_that_were_verified():
    newer = borg_of("1.4")
    with loopback_world(["web"], planted=False, check_every="always") as world:
        stage = Stage(world, "1.2")
        for number in range(2):
            (stage.target.source / f"file {number}").write_bytes(os.urandom(60_000))
            assert stage.run("-q").returncode == 0
        first, second = stage.archives()
        world.lab.borg(stage.target, "rename", f"::{first}", f"{first}-renamed")
        assert stage.run("accept", "web", "--yes").returncode == 0
        stage.borg = newer
        code, said = stage.night()
        assert code == 2, said
        assert said.startswith("B: an archive has no proof of who wrote it"), said
        assert "`borgpull accept --archives-tam NAME`" in said, "no word that leads to a repair, which deletes it"
        world.lab.borg(stage.target, "rename", f"::{second}", f"{second}-too")
        refused = stage.run("accept", "--archives-tam", "web", "--yes")
        assert (refused.returncode, "not those that were verified last" in refused.stderr) == (2, True), refused.stderr
        assert stage.run("accept", "web", "--yes").returncode == 0
        before = len(stage.archives())
        done = stage.run("accept", "--archives-tam", "web", "--yes")
        assert done.returncode == 0, done.stderr
        code, said = stage.night()
        assert (code, said) == (0, "")
        assert len(stage.archives()) == before + 1
