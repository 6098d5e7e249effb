"""Many archives and many segments: what works, and what is said as a limit."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from borgpull.guard import Archive, State, TooMany, judge, read_archives, read_records, refuse_too_many, still_holds
from borgpull.ledger import Found, Ledger, Note, Phase
from borgpull.ledger.record import load
from borgpull.retention import ArchiveState, Facts
from guard.samples import archive, evidence, hints, listing, whole_files

ARCHIVES, SEGMENTS = 60_000, 300_000


def archives(count: int) -> list[Archive]:
    return [archive(f"snapshot-{number:019}", number) for number in range(count)]


@pytest.mark.slow
def test_sixty_thousand_archives_and_three_hundred_thousand_segments_are_read_judged_and_written():
    there = read_archives(listing(archives(ARCHIVES)))
    known = evidence(archives=there, live=MappingProxyType(dict.fromkeys(range(SEGMENTS), 300)), transaction=SEGMENTS)
    refuse_too_many(known)
    note = Note(state=ArchiveState.GOOD, paths=("/etc", "/srv"))
    facts = Facts(files=123_456, size=12_345_678_901, new=1_234_567, started=1.8e9, seconds=12.3)
    ledger = Ledger(
        phase=Phase.CLEAN,
        evidence=known,
        notes={each.id: note for each in there},
        facts={each.id: facts for each in there},
    )
    assert load(ledger.dump()) == ledger
    came = replace(known, archives=there | {archive("one more", ARCHIVES)})
    assert judge(came, came, None).state is State.CLEAN
    assert judge(known, came, None).state is State.TAMPERED


def test_the_records_of_three_hundred_thousand_segments_are_read():
    live = dict.fromkeys(range(SEGMENTS), 300)
    files = whole_files(**{f"hints_{SEGMENTS}": hints(live, dict.fromkeys(range(SEGMENTS), 400_000_000))})
    names = b"".join(b"data/%d/%d\n" % (number // 1000, number) for number in range(SEGMENTS))
    found = Found(repository=True, ledger=None, unreadable="", files=files, numbers=names)
    assert dict(found.records.live) == live
    assert still_holds(evidence(live=MappingProxyType(live), transaction=SEGMENTS), read_records(files))


def test_what_is_too_much_is_a_limit_and_none_of_the_verdicts():
    with pytest.raises(TooMany, match="100001 archives, at most 100000"):
        read_archives(listing(archives(100_001)))
    with pytest.raises(TooMany, match="90001 archives, at most 90000 before a session"):
        refuse_too_many(evidence(archives=frozenset(archives(90_001))))
    with pytest.raises(TooMany, match="400001 segments"):
        refuse_too_many(evidence(live=MappingProxyType(dict.fromkeys(range(400_001), 1))))
