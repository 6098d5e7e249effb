"""What C itself changed: what a prune may remove, and what is told of the changes by a borg of the operator's."""

from types import MappingProxyType

import pytest
from samples import archive, evidence

from borgpull.guard import State, judge_maintenance, operator_changes


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ()),
        # a compact moved the objects of segment 6
        ({"transaction": 12, "live": MappingProxyType({2: 40, 11: 3, 12: 1})}, ()),
        ({"archives": frozenset({archive("a1", 1)})}, ("archives gone: a2",)),
        (
            {"archives": frozenset({archive("a1", 3), archive("b", 2)}), "live": MappingProxyType({2: 40})},
            ("archives gone: a2", "archives that came: b", "archives replaced: a1", "objects: 40, 44 before"),
        ),
        ({"key": "other"}, ("the repository key was replaced",)),
    ],
)
def test_changes_are_told_in_words(changed, told):
    assert operator_changes(evidence(), evidence(**changed)) == told


def test_only_what_was_to_go_may_be_gone():
    before = evidence()
    a1, a2 = sorted(before.archives)
    after = evidence(archives=frozenset({a2}))
    assert judge_maintenance(before, after, intent={a1.id}).state is State.CLEAN
    assert judge_maintenance(before, after, intent=None).state is State.CLEAN, "nobody wrote down what was to go"
    verdict = judge_maintenance(before, after, intent={a2.id})
    assert verdict.state is State.TAMPERED
    assert verdict.rules == (f"archives are gone that the controller did not delete: {a1.name}",)
    assert judge_maintenance(after, before, intent={a1.id}).state is State.TAMPERED, "nothing may come"
