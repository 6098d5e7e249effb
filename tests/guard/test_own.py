"""What is told of the changes that a borg of the operator's made."""

from types import MappingProxyType

import pytest
from samples import archive, evidence

from borgpull.guard import own_changes


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
    assert own_changes(evidence(), evidence(**changed)) == told
