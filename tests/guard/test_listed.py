"""Evidence where B gives no shell: the list of archives and the key, from which as much is judged as can be."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.guard import Archive, Expected, State, Unreadable, from_json, judge, read_listed, to_json
from borgpull.guard.evidence import still_holds
from fuzz.recorded import ID, LIST, NAMES

KEY = f"BORG_KEY {ID}\nhqlhbGdv+/==\nZWQ=\n".encode()
NEW = Archive(name="new", id="ab" * 32, start="2026-11-24T10:00:00.000000")
EXPECTED = Expected(archive_name="new", started=NEW.seconds, ended=NEW.seconds + 60, skew=10)
BEFORE = read_listed(archives=LIST, key=KEY)
AFTER = replace(BEFORE, archives=BEFORE.archives | {NEW}, last_modified="2026-11-24T10:00:30.000000")


def test_the_list_and_the_key_are_read():
    assert {archive.name for archive in BEFORE.archives} == set(NAMES)
    assert (BEFORE.repository_id, BEFORE.key, BEFORE.counted) == (ID, "hqlhbGdv+/==\nZWQ=", False)
    assert from_json(json.loads(json.dumps(to_json(BEFORE)))) == BEFORE


def test_an_honest_session_is_clean_though_nobody_counted_objects():
    assert judge(BEFORE, AFTER, EXPECTED).state is State.CLEAN


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"archives": frozenset({NEW})}, "archives vanished"),
        ({"key": "bWluZQ=="}, "key was replaced"),
        ({"repository_id": "cd" * 32}, "another repository"),
        ({"archives": AFTER.archives | {replace(NEW, name="too")}}, "did not ask for"),
    ],
)
def test_a_dishonest_one_is_called_by_its_name(changes, words):
    verdict = judge(BEFORE, replace(AFTER, **changes), EXPECTED)
    assert verdict.state is State.TAMPERED
    assert any(words in rule for rule in verdict.rules)


def test_what_was_never_counted_is_never_taken_for_unchanged():
    assert not still_holds(BEFORE, BEFORE)


@pytest.mark.parametrize("key", [b"", b"BORG_KEY", KEY.replace(b"BORG_", b"B"), KEY + b"\x1b[2J", KEY * 2])
def test_what_is_no_exported_key_is_refused(key):
    with pytest.raises(Unreadable, match="borg key export"):
        read_listed(archives=LIST, key=key)


def test_the_key_of_another_repository_is_refused():
    with pytest.raises(Unreadable, match="another repository"):
        read_listed(archives=LIST, key=KEY.replace(ID.encode(), b"ab" * 32))


@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda rest: KEY[:80] + rest))
def test_any_bytes_are_a_key_or_refused(key):
    try:
        found = read_listed(archives=LIST, key=key)
    except Unreadable:
        return
    assert found.key.isascii()
