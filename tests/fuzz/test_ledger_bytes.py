"""What B shows of a repository and its ledger: any bytes are a ledger or none, and each can be worked with."""

import asyncio
import configparser
import json
import math
import re
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from bounds import MEGABYTE, fewer, in_linear_time, is_shown_safely, within_memory
from hostile_bytes import JSON_SCRAPS, damaged, json_texts, repeated
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import LIVE, TAR, TRANSACTION, evidence, ledger

from borgpull.borg.hints import MOST_SEGMENTS
from borgpull.errors import Failure
from borgpull.guard import Evidence, Expected, Unreadable, differences, judge, to_json
from borgpull.guard.verdict import judge_own
from borgpull.job import escrow
from borgpull.ledger import Found, Ledger, Phase, store
from borgpull.ledger.record import MOST_LEDGER, load

REAL = ledger().dump()
KEYS = sorted(json.loads(REAL))
EVIDENCE_KEYS = sorted(to_json(evidence()))
SCRAPS = [*JSON_SCRAPS, b'"clean"', b'"own"', b'[["a","1"],["A","2"]]', b'[["a\\n[b]","\\udc80"]]', b'[[3,4],[3,"5"]]']


def read(text: bytes) -> Ledger | None:
    """Read a ledger, and do with it what a run, a rollback and an accept do; None where it is refused."""
    try:
        found = load(text)
    except Unreadable as why:
        assert is_shown_safely(str(why), longest=100)
        return None
    assert load(found.dump()) == found
    assert all(is_shown_safely(words) for words in (found.cause, *found.rules))
    assert 0 <= found.size < 1 << 63
    assert 0 <= found.files < 1 << 63
    judged(found)
    put_back(found.evidence)
    return found


def judged(known: Ledger) -> None:
    expected = Expected(archive_name=known.archive, started=known.started, ended=time.time(), skew=3600.0)
    newer = replace(evidence(), archives=frozenset())
    for now in (evidence(), newer):
        verdicts = [judge(known.evidence, now, expected), judge(now, known.evidence, expected)]
        verdicts += [judge_own(known.evidence, now), judge_own(now, known.evidence)]
        said = [rule for verdict in verdicts for rule in verdict.rules] + [*differences(known.evidence, now)]
        assert all(is_shown_safely(rule, longest=600) for rule in said)


def put_back(known: Evidence) -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(store._config(known).decode())
    assert config["repository"]["id"] == known.repository_id


def test_a_real_ledger_is_read():
    assert read(REAL) == ledger()


@given(damaged(REAL, SCRAPS) | json_texts(KEYS))
def test_a_damaged_ledger_is_a_ledger_or_refused(text):
    read(text)


def with_value(text: bytes, key: str, value: bytes) -> bytes:
    """Return the JSON object with another value for one of its keys, by hand: it need not be JSON."""
    table = json.loads(text)
    parts = [b"%b:%b" % (_text(name), value if name == key else _text(kept)) for name, kept in table.items()]
    return b"{" + b",".join(parts) + b"}"


def _text(value: object) -> bytes:
    return json.dumps(value).encode()


VALUES = st.sampled_from(SCRAPS) | json_texts(["a"])


@given(st.sampled_from(KEYS), VALUES)
@example("started", b"1" + b"0" * 400)
@example("started", b"NaN")
@example("started", b"253402300800")
@example("rules", b"[" + b"[" * 400 + b"]" * 400 + b"]")
@example("rules", b'["\\u001b[2J", "\\ud800"]')
@example("archive", b'"' + b"(" * 3000 + b'"')
def test_any_value_in_a_ledger_is_taken_or_refused(key, value):
    read(with_value(REAL, key, value))


@given(st.sampled_from(EVIDENCE_KEYS), VALUES)
@example("key", b'"\\ud800"')
@example("settings", b'[["a","1"],["A","2"]]')
def test_any_value_in_its_evidence_is_taken_or_refused(key, value):
    inner = with_value(_text(to_json(evidence())), key, value)
    read(with_value(REAL, "evidence", inner))


@fewer(10)
@given(repeated([b"[", b"{", b"[],", b'{"":0},', b'"ab",', b"0,", b"9", b" ", b'"'], 2 * MEGABYTE))
@example(b'{"":0},' * (2 * MEGABYTE // 7))
def test_a_long_ledger_costs_what_its_length_costs(data):
    with within_memory(80 * MEGABYTE), in_linear_time():
        read(b"[" + data + b"0]")


def test_a_ledger_that_is_too_long_is_not_even_looked_at():
    data = b"[" + b"[]," * (MOST_LEDGER // 3) + b"0]"
    with within_memory(2 * MEGABYTE):
        assert read(data) is None


@given(st.text(st.characters(), max_size=20) | st.sampled_from(["", "a2V5\x1b[2J", "a2V5\nbW9yZQ=="]))
def test_a_key_is_printed_only_as_borg_writes_keys(key):
    known = replace(ledger(), evidence=replace(evidence(), key=key))

    async def look(*_: object) -> Found:
        return Found(repository=True, snapshot=False, ledger=known, unreadable="", tar=b"", numbers=b"")

    subject = SimpleNamespace(party="T x", vault=SimpleNamespace(look=look))
    try:
        lines = asyncio.run(escrow.file_key(subject)).split("\n")
    except Failure:
        assert re.search(r"[^A-Za-z0-9+/=\n]", key) or not key
    else:
        assert all(is_shown_safely(line, longest=80) for line in lines)
        assert "\n".join(lines[1:-1]) == key


HEAD = b"repository\nsnapshot\nledger %d\nsegments %b\n\n" % (len(REAL), b" ".join(b"%d" % number for number in LIVE))
SHOWN = HEAD + REAL + TAR
LINES = [
    b"\n",
    b"\n\n",
    b"ledger",
    b"ledger 5",
    b"ledger -1\n",
    b"ledger " + b"9" * 5000,
    "ledger ²\n".encode(),
    b"ledger 12 34\n",
    b"segments",
    b"segments 1_0 +5 \xc2\xb2 0x5 " + b"7" * 5000,
    b"serving \x1b[2J\xff\n",
    b"repository",
]


def looked(output: bytes) -> Found | None:
    """Read what B shows; None where a serve is still at work there."""
    try:
        found = store.read_found("B", output)
    except Failure as failure:
        assert failure.party == "B"
        assert is_shown_safely(failure.cause, longest=600)
        return None
    assert len(found.tar) <= len(output)
    assert (found.ledger is None) or not found.unreadable
    assert is_shown_safely(found.unreadable, longest=100)
    return found


def test_what_b_shows_is_read():
    found = looked(SHOWN)
    assert found == Found(
        repository=True, snapshot=True, ledger=ledger(), unreadable="", tar=TAR, numbers=found.numbers
    )
    assert found.segments == set(LIVE)
    assert looked(b"\n") == Found(repository=False, snapshot=False, ledger=None, unreadable="", tar=b"", numbers=b"")
    assert looked(HEAD.replace(b"ledger ", b"ledger      ") + REAL).ledger == ledger(), "as the wc of BSD counts"


@given(damaged(SHOWN, LINES) | damaged(HEAD, LINES) | st.lists(st.sampled_from(LINES)).map(b"".join))
def test_whatever_b_shows_is_taken(output):
    if found := looked(output):
        assert all(0 <= number < 10**17 for number in found.segments)


@fewer(10)
@given(repeated([*LINES[:5], b" ", b"1", b"segments ", b"1 ", b"\r"], 4 * MEGABYTE))
@example(b"segments" + b" 7" * (2 * MEGABYTE))
@example(b"segments" + b"".join(b" %d" % number for number in range(1000000, 1000000 + MOST_SEGMENTS)))
@example(b"".join(b"%d\n" % number for number in range(200_000)))
def test_a_long_look_costs_what_its_length_costs(output):
    with within_memory(100 * MEGABYTE), in_linear_time():
        if found := looked(output):
            try:
                assert len(found.segments) <= MOST_SEGMENTS
            except Unreadable as why:
                assert str(why) == "there are more segment files than Borg makes"


@given(st.sets(st.integers(0, 40)), st.lists(st.sampled_from([b"5", b"17", b"\xff", b"1 2", b"9" * 5000, b"", b"x7"])))
def test_what_a_rollback_can_use_is_what_it_wants_and_is_there(wanted, names):
    there, linked = store.read_segments(b"linked\n" + b"\n".join(names), wanted)
    assert linked
    said = re.split(rb"\s", b"\n".join(names))
    assert there == {number for number in wanted if b"%d" % number in said}


def test_a_flood_of_files_does_not_fill_the_memory_of_a_rollback():
    output = b"unlinked\n" + b"".join(b"%d\n" % number for number in range(200_000))
    with within_memory(MEGABYTE):
        assert store.read_segments(output, {3, 7, 1 << 40}) == ({3, 7}, False)


@pytest.mark.parametrize("started", [0.0, 1.5, 253402300799.0])
def test_a_ledger_of_any_time_can_be_judged(started):
    known = replace(ledger(), started=started, phase=Phase.OPEN)
    assert read(known.dump()) == known
    assert math.isfinite(load(known.dump()).started)
    assert known.evidence.transaction == TRANSACTION
