"""Attacks of a T that was taken over, through the real transport: noticed, named, nothing made permanent, and undone.

One always, whose damage an honest archive hides; `make test-slow` takes one for each of the law's three rules, and
each kind of damage at least once, and `make attacks` runs all of the list, with both versions of borg.
"""

import re

import pytest

from tampering.catalogue import ATTACKS, CORE, NOTHING_WRITTEN, REFUSED
from tampering.story import BYSTANDER, Ending, Story, told

# One for each rule of the law: archives, objects, key and settings. What the first and the last of them take from an
# operator, and how it comes back, is in tests/tampering/test_settlement.py as well.
RULES = ("delete-archive", "hide-deletion", "replace-key")
BRIEF = "hide-deletion"


def problems_of(ending: Ending) -> list[str]:
    """Return what an operator would have reason to complain about, a line each."""
    attack, told_well = ending.attack, len(ending.told) >= len(ending.attack.told)
    told_well = told_well and all(re.match(*pair) for pair in zip(attack.told, ending.told, strict=False))
    later = 3 if attack.code == 3 else 0
    wrong = {
        f"exit {ending.code} instead of {attack.code}": ending.code != attack.code,
        f"called {ending.told}": not told_well,
        f"later runs ended with {ending.later}: {ending.later_said}": ending.later != [later, later],
        "segments of the first archives are gone": not ending.segments_kept,
        f"the rollback failed: {ending.rollback_said}": attack.code == 3 and ending.rollback != 0,
        f"archives came back different: {ending.different}": bool(ending.different),
        "no archive was compared": ending.compared == 0,
    }
    return [f"{attack.title} (borg {ending.version}): {said}" for said, is_wrong in wrong.items() if is_wrong]


def assert_all_is_well(story: Story, how_many: int) -> None:
    assert [line for ending in story.endings for line in problems_of(ending)] == []
    assert len(story.endings) == how_many
    assert set(story.bystander) == {0}, "another target was disturbed"
    assert BYSTANDER not in story.after
    assert set(story.after.values()) == {0}, story.after


def test_what_breaks_a_rule_of_the_law_is_noticed_named_contained_and_undone(tmp_path):
    attacks = [attack for attack in ATTACKS if attack.title == BRIEF]
    assert_all_is_well(told(attacks, tmp_path, targets=1), 1)


@pytest.mark.slow
def test_what_breaks_any_rule_of_the_law_is_noticed_named_contained_and_undone(tmp_path):
    attacks = [attack for attack in ATTACKS if attack.title in RULES]
    assert_all_is_well(told(attacks, tmp_path, targets=len(RULES)), len(RULES))


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_each_kind_of_damage_is_noticed_named_contained_and_undone(half, tmp_path):
    attacks = [attack for attack in ATTACKS if attack.title in CORE][half::2]
    assert_all_is_well(told(attacks, tmp_path, targets=3, shift=half), len(CORE) // 2)


@pytest.mark.slow
def test_a_claimed_success_is_not_believed_and_does_no_harm(tmp_path):
    assert_all_is_well(told(NOTHING_WRITTEN, tmp_path, targets=2), len(NOTHING_WRITTEN))


@pytest.mark.slow
def test_a_second_client_of_the_socket_gets_nowhere(tmp_path):
    story = told(REFUSED, tmp_path, targets=1)
    assert_all_is_well(story, 1)
    assert re.fullmatch(r"2 2", story.marks["second-client"].splitlines()[0]), "both were refused"
