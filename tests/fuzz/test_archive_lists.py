"""The list of archives, in which T wrote names and times: any bytes are evidence, or Unreadable in plain words."""

import json

from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import JSON_SCRAPS, damaged, json_texts, repeated
from hypothesis import given
from hypothesis import strategies as st
from recorded import FILES, LIST, LIVE, NAMES, evidence

from borgpull.guard import Evidence, Expected, TooMany, Unreadable, judge, read_evidence
from borgpull.guard.evidence import MOST_ARCHIVES, MOST_LIST, MOST_NAME
from borgpull.guard.verdict import judge_maintenance

SCRAPS = [*JSON_SCRAPS, b'"archives"', b'"repository"', b'"id"', b'"9999-12-31T23:59:59.999999-23:59"', b"0001-01-01"]
TIMES = [
    b'"0001-01-01T00:00:00+14:00"',
    b'"9999-12-31T23:59:59-23:59"',
    b'"2026-02-30T00:00:00"',
    b'"2026-11-23T02:15:54+99:99"',
    b'"2026-11-23T02:15:60"',
    '"２０２６-11-23T02:15:54"'.encode(),
]
EXPECTED = Expected(archive_name="snapshot-004", started=1_795_400_000.0, ended=1_795_400_060.0, skew=60)


def read(archives: bytes) -> Evidence | None:
    try:
        found = read_evidence(files=FILES, archives=archives, segments=set(LIVE))
    except (Unreadable, TooMany) as why:
        assert is_shown_safely(str(why), longest=150)
        return None
    assert len(found.archives) <= MOST_ARCHIVES
    assert all(len(archive.name) <= MOST_NAME for archive in found.archives)
    return found


def judged(found: Evidence) -> None:
    """See that any evidence can be judged, in words that can be shown."""
    for verdict in (
        judge(evidence(), found, EXPECTED),
        judge(found, evidence(), None),
        judge_maintenance(evidence(), found, intent=None),
    ):
        assert all(is_shown_safely(rule, longest=600) for rule in verdict.rules)


def test_the_real_list_is_read():
    assert {archive.name: archive.id for archive in read(LIST).archives} == NAMES


@given(damaged(LIST, SCRAPS) | json_texts(["archives", "repository", "id", "name", "start", "last_modified"]))
def test_a_damaged_list_is_evidence_or_refused(data):
    if found := read(data):
        judged(found)


@given(
    st.lists(st.sampled_from(TIMES + JSON_SCRAPS), min_size=1, max_size=3),
    st.sampled_from([b"start", b"last_modified"]),
)
def test_values_of_any_kind_are_evidence_or_refused(values, key):
    data = LIST
    for value in values:
        head, found, rest = data.partition(b'"%b": ' % key)
        data = head + found + value + rest[rest.find(b",") :]
    if found := read(data):
        judged(found)


@given(st.lists(st.text(st.characters(), max_size=300), max_size=12, unique=True))
def test_archives_of_any_name_are_judged_in_words_that_can_be_shown(names):
    came = [{"name": name, "id": f"{number:064x}", "start": "2026-01-01T00:00:00"} for number, name in enumerate(names)]
    table = json.loads(LIST)
    listed = read(json.dumps(table | {"archives": table["archives"] + came}).encode())
    assert (listed is None) == any(len(name) > MOST_NAME for name in names)
    if listed:
        assert {archive.name for archive in listed.archives} == {*names, *NAMES}
        judged(listed)


@fewer(10)
@given(repeated([b"[", b"{", b"[],", b'{"":', b'"",', b"0,", b'"ab",', b" ", b"\\u0041", b"1e"], 2 * MEGABYTE))
def test_a_long_list_costs_what_its_length_costs(data):
    with within_memory(100 * MEGABYTE), in_linear_time():
        read(b'{"archives":[' + data)


def test_a_list_that_is_too_long_is_not_even_looked_at():
    data = b"[" * (MOST_LIST + 1)
    with within_memory(2 * MEGABYTE):
        assert read(data) is None
