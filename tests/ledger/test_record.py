"""A ledger of the version before: held.json is one of a held target, as a run of it and `expect` left it."""

import contextlib
import json
from pathlib import Path

import pytest

from borgpull.guard import Unreadable
from borgpull.ledger import Hold, Note, Phase
from borgpull.ledger.record import NewerLedger, load
from borgpull.retention import ArchiveState, Facts, Oddity, Source

HELD = Path(__file__).with_name("held.json").read_bytes()
ODD = "5ee183b6b041eb51463b9855be9830d78dd4cc5264e59d8091e54f88a62e4e00"
PATHS = ("/srv/source", "/srv/data")
FEW = "only 3.8 MB of 9.8 MB came, less than 50% of the best of the last good archives"
EMPTY = "/srv/data held something before and is an empty folder now"


def changed(**values: object) -> bytes:
    return json.dumps(json.loads(HELD) | values).encode()


def without(key: str) -> bytes:
    return json.dumps({name: value for name, value in json.loads(load(HELD).dump()).items() if name != key}).encode()


def test_a_ledger_of_the_version_before_is_read_unchanged():
    found = load(HELD)
    assert (found.phase, found.archive, found.started) == (
        Phase.CLEAN,
        "snapshot-2026-11-27T01:35:31",
        1795743331.88276,
    )
    assert (found.size, found.files, found.size_before, found.checked) == (3800300, 68, 6574080, 0.0)
    assert (found.has_hard_links, found.checking, found.intent, found.rules) == (True, False, None, ())
    assert (found.expected, found.expected_why) == (1821663333.9085686, "a migration")
    assert found.note(ODD) == Note(state=ArchiveState.ODD, reason=f"{EMPTY}; {FEW}", paths=PATHS)
    assert [note.state for note in found.notes.values()] == [ArchiveState.GOOD] * 3 + [ArchiveState.ODD]
    since = 1795743332.0
    assert found.facts[ODD] == Facts(
        files=68,
        size=3800300,
        new=5627,
        started=since,
        seconds=0.6,
        sources=(
            Source(path="/srv/source", kind="folder", holds=True, mount=False),
            Source(path="/srv/data", kind="folder", holds=False, mount=False),
        ),
        keys=frozenset({"a69b8fbd6fdfa8752d5801eed536e136ec28c126b98fbcfa32de4c617523552a"}),
    )
    assert len(found.facts) == 4
    assert found.holds == (
        Hold(oddity=Oddity.EMPTY, path="/srv/data", words=EMPTY, since=since),
        Hold(oddity=Oddity.SHRUNK, words=FEW, since=since),
    )
    evidence = found.evidence
    assert (evidence.transaction, evidence.nonce, evidence.freeable, evidence.used) == (17, 1342178297, 2661, 6459891)
    assert ({archive.id for archive in evidence.archives}, evidence.live[2]) == (set(found.notes), 126)


def test_the_version_before_can_read_what_is_written():
    written = json.loads(load(HELD).dump())
    known = {key: written[key] for key in json.loads(HELD)}
    assert json.dumps(known, separators=(",", ":")).encode() + b"\n" == HELD


def test_a_key_that_is_not_known_is_ignored():
    assert load(changed(later={"a": [1]})) == load(HELD)


@pytest.mark.parametrize(
    "key", ["taken", "checked", "checking", "paths", "odd", "intent", "facts", "holds", "expected", "released"]
)
def test_the_first_ledgers_had_fewer_keys(key):
    load(without(key) if key != "paths" else changed(paths=[], notes=[]))


@pytest.mark.parametrize(
    "key", ["version", "phase", "archive", "cause", "rules", "linked", "size", "files", "evidence"]
)
def test_a_ledger_without_what_all_have_is_damaged(key):
    with pytest.raises(Unreadable, match="damaged"):
        load(without(key))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("size", value) for value in ("5", True, 5.0, -1, 1 << 63)),
        *(("started", value) for value in ("5", True, float("nan"), -1)),
        *(("linked", value) for value in (1, "yes", None)),
        ("notes", [[ODD, "good", "", -1]]),
        ("notes", [[ODD, "good", "", 1]]),
        ("notes", {ODD: "good"}),
        ("intent", [ODD, 5]),
        ("holds", [["empty", "/", "", "", "0"]]),
        ("expected", [True, ""]),
        ("released", -1),
    ],
)
def test_a_value_that_no_borgpull_writes_is_damage(key, value):
    with pytest.raises(Unreadable, match="damaged"):
        load(changed(**{key: value}))


@pytest.mark.parametrize("rows", [[[ODD, "", 0, 1, 1, 1, 0, -1, 0]], [[ODD, "", 0, 1, 1, 1, 0, 2, 0]], [[ODD]], 5])
def test_facts_in_another_form_are_none_and_stop_nothing(rows):
    found = load(changed(facts=json.loads(HELD)["facts"] | {"archives": rows}))
    assert (dict(found.facts), found.notes) == ({}, load(HELD).notes)


@pytest.mark.parametrize("values", [{"version": 2}, {"holds": [["stranger", "/", "", "", 0]]}])
def test_what_a_newer_version_wrote_is_never_a_finding(values):
    with pytest.raises(NewerLedger):
        load(changed(**values))


def test_words_of_an_operator_that_are_no_unicode_do_not_lock_anybody_out():
    assert load(changed(expected=[5.0, "um\udcffzug"])).expected_why == "um�zug"


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_no_calendar_has_is_damage(start):
    table = json.loads(HELD)["evidence"]
    for evidence in (table | {"last_modified": start}, table | {"archives": [["a", ODD, start]]}):
        with pytest.raises(Unreadable, match="damaged"):
            load(changed(evidence=evidence))


@pytest.mark.parametrize(
    "values",
    [
        {"expected": [10**400, ""]},
        {"holds": [["empty", "/", "", "", 10**400]]},
        {"facts": {"sources": [[]], "keys": [[]], "archives": [[ODD, "", 10**400, 1, 1, 1, 0, 0, 0]]}},
    ],
)
def test_a_number_too_large_for_a_clock_ends_no_run(values):
    with contextlib.suppress(Unreadable):
        assert dict(load(changed(**values)).facts) == {}
