"""The set of a repository's objects: what was put in is there, nothing else is, and it takes little memory."""

import random

from hypothesis import given
from hypothesis import strategies as st

from borgpull.gate.ids import MANIFEST, Ids
from fuzz.bounds import MEGABYTE, within_memory

IDS = st.binary(min_size=32, max_size=32) | st.integers(0, 40).map(lambda number: number.to_bytes(32, "big"))


@given(st.lists(IDS, max_size=300), st.lists(IDS, max_size=50), st.integers(0, 100))
def test_it_holds_what_a_set_holds_but_for_the_manifest(inside, others, expected):
    ids = Ids(expected)
    ids.update(inside)
    wanted = set(inside) - {MANIFEST}
    assert len(ids) == len(wanted)
    assert [id_ for id_ in {*inside, *others} if (id_ in ids) != (id_ in wanted)] == []


def test_a_repository_of_many_objects_takes_little_memory():
    rest = random.Random(7)
    count = 50_000
    with within_memory(count * 32 * 4 / 3 + MEGABYTE):
        ids = Ids(count)
        ids.update(rest.randbytes(32) for _ in range(count))
    assert len(ids) == count
