"""An honest session is never accused, whatever befell it. Real borg on both sides, 1.2 and 1.4 and mixed."""

import pytest
from real_repository import Repository

from borgpull.guard import State, Verdict, judge

# The versions of T's and B's borg. What is oldest on T and newest on B stands for all in the quick part.
SAME = [pytest.param((version, version), marks=pytest.mark.slow) for version in ("1.2", "1.4")]
PAIRS = [*SAME, ("1.2", "1.4"), pytest.param(("1.4", "1.2"), marks=pytest.mark.slow)]
ON_MIXED = pytest.mark.parametrize("repository", PAIRS[2:], indirect=True, ids=["T1.2-B1.4", "T1.4-B1.2"])


def is_clean(verdict: Verdict, *added: str) -> bool:
    assert verdict.rules == ()
    assert verdict.state is State.CLEAN
    assert tuple(archive.name for archive in verdict.added) == added
    return True


@pytest.fixture(params=PAIRS, ids=lambda pair: f"T{pair[0]}-B{pair[1]}")
def repository(request, tmp_path):
    """A repository that C has just made; T and B as the versions say."""
    return Repository(tmp_path / "home", *request.param).make()


def backs_up(repository: Repository) -> None:
    """Let T have an honest session, and find nothing to say against it."""
    status, verdict = repository.session()
    assert status == 0
    assert is_clean(verdict, f"snapshot-{repository.made:03}")


def by_c(repository: Repository, *argv: str) -> None:
    """Let C change the repository, and know it anew."""
    repository.as_c(*argv)
    repository.known = repository.look()


def test_what_borg_remembers_of_a_new_repository_is_what_a_list_shows(repository):
    assert repository.new == repository.known


def test_first_unchanged_much_changed_pruned_and_compacted(repository):
    backs_up(repository)
    backs_up(repository)
    for file in repository.sources.iterdir():
        file.unlink()
    repository.change(4)
    backs_up(repository)
    by_c(repository, "prune", "--keep-last=1")
    backs_up(repository)
    repository.as_c("delete", "::snapshot-003")
    by_c(repository, "compact", "--threshold=0")
    backs_up(repository)
    repository.as_c("check")
    assert is_clean(judge(repository.known, repository.look(), None))


@ON_MIXED
def test_cut_off_with_a_checkpoint_and_resumed(repository):
    assert is_clean(repository.cut_off(end="client", checkpoint=True), "snapshot-001.checkpoint")
    backs_up(repository)
    assert is_clean(repository.cut_off(end="serve", checkpoint=True), "snapshot-003.checkpoint")
    backs_up(repository)


@ON_MIXED
def test_killed_before_it_committed_anything(repository):
    backs_up(repository)
    assert is_clean(repository.cut_off(end="client", checkpoint=False))
    backs_up(repository)
    assert is_clean(repository.cut_off(end="serve", checkpoint=False))
    backs_up(repository)


@ON_MIXED
def test_a_backup_with_checkpoints_that_comes_to_its_end(repository):
    first = repository.known.transaction
    assert is_clean(repository.cut_off(end="nobody", checkpoint=True), "snapshot-001")
    assert repository.known.transaction > first + 4, "it did make checkpoints"
