"""What sessions may add side by side: whatever they do, what has to stay free stays free."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from borgpull.errors import NoSpace
from borgpull.ledger import Ledger, Phase, Space
from borgpull.repository.space import LEAST, Claim, Room, allow, min_free, runs_short
from borgpull.retention import Facts
from guard.samples import evidence

GB = 1_000_000_000
KEPT = min_free(0, 0)


def known(*, used: int = GB, own: str = "0") -> Ledger:
    return Ledger(phase=Phase.OPEN, evidence=evidence(used=used, settings=(("storage_quota", own),)))


def allowed(claim: Claim, free: int, *, quota: str = "", floor: int = 0, **ledger):
    return allow(claim, known(**ledger), Space(free=free), quota=quota, floor=floor)


def test_borg_can_prune_and_compact_with_what_stays_free():
    # A segment and an object, and four times the index.
    assert min_free(0, 0) > 524_288_000 + 20_971_520
    assert min_free(10 * GB, 0) - min_free(0, 0) == 40 * GB
    assert min_free(0, 20 * GB) == 20 * GB


def test_a_session_alone_has_all_that_is_free_above_what_has_to_stay():
    found = allowed(Claim(), KEPT + 3 * GB)
    assert (found.quota, found.limit) == (str(4 * GB), "disk")
    assert allowed(Claim(), 30 * GB, floor=20 * GB).quota == str(11 * GB)


@pytest.mark.parametrize(
    ("quota", "own", "told"),
    [("2G", "0", str(2 * GB)), ("2G", "3G", str(2 * GB)), ("2G", "1500000000", ""), ("", "1000000", "")],
)
def test_the_least_of_quota_and_the_repositorys_own_counts_where_the_disk_has_more(quota, own, told):
    assert allowed(Claim(), 100 * GB, quota=quota, own=own).quota == told


@pytest.mark.parametrize("own", ["x", "-5", "1e9", "9" * 5000])
def test_a_quota_of_the_repository_that_is_none_changes_nothing(own):
    assert allowed(Claim(), 100 * GB, own=own).limit == "disk"


def test_where_nobody_tells_what_is_free_the_quotas_count_alone():
    assert allow(Claim(), known(), None, quota="2G", floor=0).quota == str(2 * GB)
    assert allow(Claim(), known(used=-1), Space(free=0), quota="", floor=0).quota == ""


def test_no_session_is_opened_for_less_than_borg_takes_and_it_is_said_whether_others_have_the_rest():
    with pytest.raises(NoSpace) as alone:
        allowed(Claim(), KEPT + LEAST - 1)
    assert alone.value.limit == "disk"
    assert "MinFree" in alone.value.cause
    room = Room()
    with room.claiming() as one, room.claiming() as other:
        with pytest.raises(NoSpace) as shared:
            allowed(one, KEPT + 2 * LEAST - 2)
        assert shared.value.limit == "share"
        assert allowed(other, KEPT + 2 * LEAST - 2).limit == "disk", "what was refused is nobody's"


def test_who_only_reads_is_let_in_on_a_full_disk():
    assert allow(Claim(), known(), Space(free=0), quota="", floor=0, adds=False).quota == str(GB)


def test_a_full_disk_takes_nothing_from_a_repository_on_another_one():
    room = Room()
    with room.claiming() as here, room.claiming() as there:
        there.waits = False
        allow(here, known(), Space(disk="a", free=KEPT + 2 * LEAST), quota="", floor=0)
        found = allow(there, known(), Space(disk="b", free=KEPT + GB), quota="", floor=0)
        assert (found.share, found.limit) == (GB, "disk")


def test_what_a_session_did_not_use_is_left_to_the_others():
    room = Room()
    with room.claiming() as first, room.claiming() as second:
        assert allowed(first, KEPT + 4 * GB).share == 2 * GB
        assert allowed(second, KEPT + 4 * GB).share == 2 * GB
        second.give_back(GB)
        with room.claiming() as third:
            # The first may add 2 GB still, the second added one.
            assert allowed(third, KEPT + 3 * GB).share == GB


def test_who_was_broken_off_gets_its_share_again_however_many_were():
    room = Room()
    with room.claiming() as first, room.claiming() as second:
        for claim in (first, second):
            assert allowed(claim, KEPT + 4 * GB).share == 2 * GB
        for claim in (first, second):
            claim.begin_again()
        for claim in (first, second):
            assert allowed(claim, KEPT + 4 * GB).share == 2 * GB


def grown(*facts: tuple[float, int], used: int = 10 * GB, own: str = "0") -> Ledger:
    """A ledger with facts of archives: when each was started, and what it added."""
    rows = {str(at): Facts(files=1, size=1, new=new, started=at) for at, new in facts}
    return replace(known(used=used, own=own), facts=rows)


@pytest.mark.parametrize(
    ("free", "quota", "own", "short"),
    [
        (KEPT + 3 * GB, "", "0", False),
        (KEPT + 3 * GB - 1, "", "0", True),
        (100 * GB, "13G", "0", False),
        (100 * GB, "12G", "0", True),
        (100 * GB, "20G", "12000000000", True),
    ],
)
def test_room_is_short_when_what_came_in_a_day_may_not_come_again(free, quota, own, short):
    night = grown((0.0, 50 * GB), (200_000.0, 2 * GB), (203_600.0, GB), (204_000.0, -1), own=own)
    assert runs_short(night, Space(free=free), quota=quota, floor=0) is short


def test_where_nobody_tells_what_is_free_or_used_no_room_is_short():
    assert not runs_short(grown(used=-1), None, quota="10M", floor=0)
    assert runs_short(grown(), Space(free=KEPT + LEAST - 1), quota="", floor=0), "borg's least, where nothing is known"


STEPS = some.lists(some.tuples(some.integers(0, 5), some.floats(0, 1), some.booleans()), max_size=60)


@given(disk=some.integers(KEPT, KEPT + 50 * GB), at_work=some.integers(1, 4), steps=STEPS)
def test_sessions_side_by_side_never_take_what_has_to_stay_free(disk, at_work, steps):
    room, running, added, free = Room(), {}, {}, disk
    claims = [Claim(room) for _ in range(at_work)]
    room.claims += claims
    for which, part, ends in steps:
        claim = claims[which % at_work]
        if claim not in running:
            try:
                running[claim], added[claim] = allowed(claim, free).share, 0
            except NoSpace:
                continue
        more = int((running[claim] - added[claim]) * part)
        added[claim] += more
        free -= more
        assert free >= KEPT
        if ends:
            claim.give_back(added[claim])
            del running[claim]
