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
from recorded import FILES, LIVE, RECORDS, TRANSACTION, evidence, ledger

from borgpull.errors import Failure
from borgpull.guard import Evidence, Expected, File, TooMany, Unreadable, judge, to_json
from borgpull.guard.hints import MOST_SEGMENTS
from borgpull.guard.verdict import judge_maintenance
from borgpull.ledger import Found, Ledger, Phase, RepositoryStatus
from borgpull.ledger.record import MOST_LEDGER, NewerLedger, load
from borgpull.ledger.scripts_read import read_found, read_segments, read_status
from borgpull.ledger.server import config_text
from borgpull.repository import verified_key
from borgpull.ssh import Answer, Incomplete
from borgpull.ssh.framing import Part

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
    except NewerLedger:
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
        verdicts += [
            judge_maintenance(known.evidence, now, intent=known.intent),
            judge_maintenance(now, known.evidence, intent=()),
        ]
        said = [rule for verdict in [*verdicts, judge(known.evidence, now, None)] for rule in verdict.rules]
        assert all(is_shown_safely(rule, longest=600) for rule in said)


def put_back(known: Evidence) -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(config_text(known).decode())
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
        return Found(repository=True, ledger=known, unreadable="")

    def failure(cause: str, *, hint: str) -> Failure:
        return Failure("T x", cause, hint=hint)

    context = SimpleNamespace(party="T x", failure=failure, store=SimpleNamespace(read_evidence=look))
    try:
        lines = asyncio.run(verified_key(context, paper=False)).split("\n")
    except Failure:
        assert re.search(r"[^A-Za-z0-9+/=\n]", key) or not key
    else:
        assert all(is_shown_safely(line, longest=80) for line in lines)
        assert "\n".join(lines[1:-1]) == key


NAMES = b".\n..\nREADME\n%b\nhints.18.tmp\ndata\nindex.17\n" % "\n".join(RECORDS).encode()
SEGMENTS = b"".join(b"data/%d/%d\n" % (number // 4, number) for number in LIVE)
SHOWN = {
    "ledger": Part(data=REAL),
    "repository": Part(data=b"folder"),
    "segments": Part(data=SEGMENTS),
    "names": Part(data=NAMES),
    **{name: Part("file", data) for name, data in RECORDS.items()},
    "errors": Part(),
}


def shown(**changed: Part | None) -> Answer:
    """Return what B shows, with other parts or without some."""
    parts = SHOWN | {name.replace("hints_", "hints."): part for name, part in changed.items()}
    return Answer({name: part for name, part in parts.items() if part is not None})


def looked(answer: Answer) -> Found | None:
    """Read what B shows; None where that is not all."""
    try:
        found = read_found(answer)
    except Incomplete as why:
        assert is_shown_safely(str(why), longest=100)
        return None
    assert set(found.files) <= set(answer.parts)
    assert all(re.fullmatch(r"config|nonce|hints\.[0-9]{1,10}", name) for name in found.files)
    assert (found.ledger is None) or not found.unreadable
    assert is_shown_safely(found.unreadable, longest=100)
    return found


def surveyed(answer: Answer) -> RepositoryStatus | None:
    """Read what can be seen without opening the repository; None where that is not all."""
    try:
        seen = read_status(answer)
    except Incomplete as why:
        assert is_shown_safely(str(why), longest=100)
        return None
    assert seen.size is None or 0 <= seen.size < 1024 * 10**15
    assert seen.transaction is None or 0 <= seen.transaction < 10**15
    assert is_shown_safely(seen.holder)
    assert (seen.ledger is None) or not seen.unreadable
    assert is_shown_safely(seen.unreadable, longest=100)
    return seen


def test_what_b_shows_is_read():
    found = looked(shown())
    assert found == Found(repository=True, ledger=ledger(), unreadable="", files=FILES, numbers=SEGMENTS)
    assert found.segments == set(LIVE)
    bare = Answer({"ledger": Part("nothing"), "repository": Part(data=b"nothing")})
    assert looked(bare) == Found(repository=False, ledger=None, unreadable="")
    assert looked(Answer({"ledger": Part("nothing"), "repository": Part(data=b"file")})).repository


def test_what_b_shows_without_opening_it_is_read():
    part = Part(data=b"1234\t/b/it is 7\n")
    seen = surveyed(shown(kilobytes=Part(data=b"1234\t/b/r\n"), held=Part(data=b"c, pid 7, run 1\x1b[2J")))
    assert (seen.repository, seen.transaction, seen.ledger) == (True, TRANSACTION, ledger())
    assert seen.holder == "c, pid 7, run 1\ufffd[2J"
    assert (seen.size, surveyed(shown(kilobytes=part)).size) == (1234 * 1024, 1234 * 1024)
    bare = Answer({"ledger": Part("nothing"), "repository": Part(data=b"nothing")})
    assert surveyed(bare) == RepositoryStatus(
        repository=False, size=None, transaction=None, holder="", ledger=None, unreadable=""
    )


@pytest.mark.parametrize("name", ["ledger", "repository", "names", *RECORDS])
def test_what_is_missing_of_what_b_shows_is_not_taken_for_nothing(name):
    answer = Answer({kept: part for kept, part in SHOWN.items() if kept != name})
    assert looked(answer) is None
    assert (surveyed(answer) is None) == (name not in RECORDS)


@pytest.mark.parametrize("kind", ["link", "folder", "other"])
def test_a_ledger_that_is_no_file_is_neither_none_nor_a_ledger(kind):
    for read in (looked, surveyed):
        found = read(shown(ledger=Part(kind)))
        assert (found.ledger, found.unreadable) == (None, f"it is no file: {kind}")


def test_a_record_that_went_while_it_was_looked_at_is_no_answer():
    assert looked(shown(nonce=Part("nothing"))) is None


@pytest.mark.parametrize("kind", ["link", "folder", "other"])
def test_a_record_that_is_no_file_is_none_and_does_not_go_unseen(kind):
    assert looked(shown(nonce=Part(kind))).files == FILES | {"nonce": File(plain=False, data=b"")}


@pytest.mark.parametrize(
    "name", ["hints.18.tmp", "hints.", "hints.x", "hints.\u00b2", "../config", "hints.1/config", "Config"]
)
def test_what_else_lies_there_is_no_record(name):
    names = Part(data=NAMES + f"{name}\n".encode())
    assert looked(Answer(SHOWN | {"names": names, name: Part("file", b"x")})).files == FILES


WORDS = [
    b"\n",
    b"nothing",
    b"folder",
    b"link",
    b"file",
    b"config",
    b"hints.17\n",
    b"hints.18\n",
    b"hints." + b"9" * 5000,
    "hints.\u00b2\n".encode(),
    b"hints.1_0\n",
    b"hints.18.tmp",
    b"data/0/17\n",
    b"data/0/" + b"9" * 5000 + b"\n",
    "data/0/\u00b2\n".encode(),
    b"-5",
    b"\x1b[2J\xff",
]
PARTS = st.builds(
    Part,
    st.sampled_from(["text", "file", "link", "folder", "other", "nothing", "\x1b[2J"[1:]]),
    st.lists(st.sampled_from(WORDS)).map(b"".join)
    | damaged(REAL, SCRAPS)
    | damaged(SEGMENTS, WORDS)
    | damaged(NAMES, WORDS),
)


@given(st.dictionaries(st.sampled_from([*SHOWN, "hints.18", "kilobytes", "held"]), PARTS | st.none()))
def test_whatever_b_shows_is_taken(changed):
    answer = shown(**changed)
    surveyed(answer)
    if found := looked(answer):
        assert all(0 <= number < 10**17 for number in found.segments)


@fewer(10)
@given(repeated([*WORDS[:7], b" ", b"1", b"/", b"/1\n", b"\r"], MEGABYTE))
@example(b"data/0/7\n" * (MEGABYTE // 9))
@example(b" 7" * (MEGABYTE // 2))
@example(b"".join(b"data/0/%d\n" % number for number in range(1000000, 1000000 + MOST_SEGMENTS - 1)))
@example(b"".join(b"%d\n" % number for number in range(200_000)))
def test_a_long_look_costs_what_its_length_costs(said):
    with within_memory(100 * MEGABYTE), in_linear_time():
        if len(said) <= MEGABYTE:
            looked(shown(names=Part(data=said)))
        surveyed(shown(names=Part(data=said[:MEGABYTE]), kilobytes=Part(data=said), held=Part(data=said)))
        found = looked(shown(segments=Part(data=said)))
        try:
            assert len(found.segments) <= MOST_SEGMENTS
        except TooMany as why:
            assert f"segment files, at most {MOST_SEGMENTS}" in why.cause


@given(
    st.sets(st.integers(0, 40)),
    st.lists(st.sampled_from([b"/0/5", b"/0/17", b"17", b"/\xff", b"/1 2", b"/" + b"9" * 5000, b"", b"/x7", b"/7x"])),
    st.booleans(),
)
def test_what_a_rollback_can_use_is_what_it_wants_and_is_there(wanted, names, in_snapshot):
    parts = {"segments": Part(data=b"\n".join(names))} | ({"linked": Part()} if in_snapshot else {})
    there, linked = read_segments(Answer(parts), wanted)
    assert linked is in_snapshot
    assert there == wanted & {int(name.rpartition(b"/")[2]) for name in names if name in (b"/0/5", b"/0/17")} | (
        wanted & {1} if b"/1 2" in names else set()
    )


def test_a_flood_of_files_does_not_fill_the_memory_of_a_rollback():
    answer = Answer({"segments": Part(data=b"".join(b"data/0/%d\n" % number for number in range(200_000)))})
    with within_memory(MEGABYTE):
        assert read_segments(answer, {3, 7, 1 << 40}) == ({3, 7}, False)
    assert read_segments(Answer({}), {3}) == (set(), False)


@pytest.mark.parametrize("started", [0.0, 1.5, 253402300799.0])
def test_a_ledger_of_any_time_can_be_judged(started):
    known = replace(ledger(), started=started, phase=Phase.OPEN)
    assert read(known.dump()) == known
    assert math.isfinite(load(known.dump()).started)
    assert known.evidence.transaction == TRANSACTION
