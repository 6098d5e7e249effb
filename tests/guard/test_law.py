"""The law of an honest session, on evidence made by hand: each broken rule is told, in clean words, and no other."""

import unicodedata
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import archive, evidence

from borgpull.guard import Evidence, Expected, Records, State, judge, judge_unlisted, unverifiable

STARTED = 1_772_600_000.0  # 2026-03-04T04:53:20Z
UNASKED = "came that the controller did not ask for"
EXPECTED = Expected(archive_name="new", started=STARTED, ended=STARTED + 60, skew=10)
NEW = archive("new", 3, "2026-03-04T04:53:30.000000")
ONE, OTHER = archive("a1"), archive("a2", 7)
LATER = "2026-03-04T04:54:00.000000"
BEFORE = evidence(last_modified="2026-03-03T00:00:00.000000")
HONEST = replace(
    BEFORE,
    transaction=13,
    live={2: 40, 6: 3, 8: 0, 9: 0, 10: 12, 12: 1},
    archives=BEFORE.archives | {NEW},
    last_modified=LATER,
    nonce=300,
)


def told(after: Evidence, expected: Expected | None = EXPECTED) -> str:
    verdict = judge(BEFORE, after, expected)
    assert (verdict.state is State.CLEAN) == (not verdict.rules)
    assert not any(unicodedata.category(letter).startswith("C") for rule in verdict.rules for letter in rule)
    return " | ".join(verdict.rules)


def test_an_honest_session_is_clean_and_says_what_was_added():
    verdict = judge(BEFORE, HONEST, EXPECTED)
    assert (verdict.state, verdict.rules, verdict.added) == (State.CLEAN, (), (NEW,))


def test_nothing_written_is_clean_and_added_nothing():
    assert judge(BEFORE, BEFORE, EXPECTED).added == ()


@pytest.mark.parametrize("name", ["new.checkpoint", "new.checkpoint.1"])
def test_half_an_archive_is_clean(name):
    half = replace(NEW, name=name)
    assert judge(BEFORE, replace(HONEST, archives=BEFORE.archives | {half}), EXPECTED).added == (half,)


def test_an_archive_may_come_in_the_second_of_the_last_change():
    # Borg lists whole seconds: seen where C makes a repository and T's first backup takes less than one.
    before = replace(BEFORE, last_modified=LATER)
    assert judge(before, HONEST, EXPECTED).state is State.CLEAN


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"repository_id": "9" * 64}, "another repository lies in its place: its id is a different one"),
        ({"key": "other"}, "the repository key was replaced"),
        ({"key": ""}, "the repository key was removed"),
        ({"settings": (("append_only", "1"), ("version", "1"))}, "settings of the repository were changed"),
        ({"nonce": None}, "the nonce was lowered"),
        ({"nonce": 254}, "the nonce was lowered"),
        ({"transaction": 8}, "the repository went back from transaction 9 to 8"),
        ({"live": {2: 39, 6: 3, 12: 1}}, "1 older object was deleted or overwritten"),
        ({"live": {12: 1}}, "43 older objects were deleted or overwritten"),
        ({"missing": (2, 6)}, "2 segment files are gone from the backup server: 2, 6"),
        ({"archives": frozenset({ONE, NEW})}, "1 archive vanished: a2"),
        ({"archives": frozenset({ONE, OTHER, NEW})}, "1 archive was replaced by another of its name"),
        ({"archives": HONEST.archives | {archive("x"), archive("y")}}, f"2 archives {UNASKED}: x, y"),
        ({"archives": HONEST.archives | {archive("newer", 8)}}, f"1 archive {UNASKED}: newer"),
        (
            {"archives": HONEST.archives | {replace(NEW, name="new.checkpoint")}},
            "2 archives came where the controller asked",
        ),
        ({"archives": BEFORE.archives | {archive("new", 3)}}, "the new archive is dated 2026-03-01T00:00:00.000000"),
        ({"archives": BEFORE.archives}, "the list of archives was rewritten, though none came or went"),
        ({"last_modified": "9999-12-31T23:59:59.000000"}, "the list of archives is dated in the future"),
        ({"last_modified": "2026-01-01T00:00:00.000000"}, "the list of archives is an older one than before"),
    ],
)  # fmt: skip
def test_each_broken_rule_is_told_alone(changed, rule):
    said = told(replace(HONEST, **changed))
    assert said.startswith(rule)
    assert " | " not in said


def test_an_object_beside_the_manifest_cannot_pass_for_it():
    assert told(replace(BEFORE, live={2: 40, 6: 3, 8: 0, 9: 0}, transaction=10)).startswith(
        "1 older object was deleted"
    )


def test_a_manifest_written_under_its_old_date_cannot_hide_a_deletion():
    after = replace(BEFORE, live={2: 39, 6: 3, 8: 0, 12: 1}, transaction=13)
    assert told(after).startswith("2 older objects were deleted")


@pytest.mark.parametrize("live", [{2: 41, 6: 3, 12: 1}, {2: 40, 6: 3, 8: 1, 12: 1}])
def test_records_that_contradict_themselves_prove_nothing(live):
    verdict = judge(BEFORE, replace(HONEST, live=live), EXPECTED)
    assert (verdict.state, len(verdict.rules)) == (State.UNVERIFIABLE, 1)


def test_a_replaced_key_is_named_though_nothing_can_be_listed():
    known = {field.name: getattr(HONEST, field.name) for field in fields(Records)}
    verdict = judge_unlisted(
        BEFORE, Records(**known | {"key": "other"}), why="wrong \x1b[1mpassphrase", maintenance=False
    )
    assert verdict.state is State.TAMPERED
    assert verdict.rules[0] == "the repository key was replaced"
    assert "\x1b" not in verdict.rules[1]
    fallen = Records(**known | {"live": dict.fromkeys(BEFORE.live, 0)})
    assert judge_unlisted(BEFORE, fallen, why="no shell", maintenance=False).state is State.TAMPERED
    assert judge_unlisted(BEFORE, fallen, why="no shell", maintenance=True).state is State.UNVERIFIABLE
    assert judge_unlisted(BEFORE, Records(**known), why="no shell", maintenance=False).state is State.UNVERIFIABLE
    assert unverifiable("no \x1b[1mroad").rules == ("no �[1mroad",)


def test_what_an_operator_accepts_is_told_without_an_archive_expected():
    assert judge(BEFORE, replace(HONEST, archives=frozenset({ONE})), None).rules == ("1 archive vanished: a2",)
    assert judge(BEFORE, HONEST, None).rules == ("1 archive came that the controller did not ask for: new",)
    assert judge(BEFORE, BEFORE, None).rules == ()


LIVE = st.dictionaries(st.integers(0, 9), st.integers(0, 50))
ARCHIVES = st.frozensets(st.builds(archive, st.text(max_size=9), st.integers(0, 9)))


@given(st.data())
def test_any_two_pieces_of_evidence_are_judged_in_clean_words(data):
    after = evidence(
        live=data.draw(LIVE), archives=data.draw(ARCHIVES), nonce=data.draw(st.none() | st.integers(0, 999))
    )
    told(after)


@given(LIVE, LIVE, st.dictionaries(st.integers(10, 19), st.integers(0, 50)))
def test_clean_means_that_older_counts_fell_by_the_one_manifest_alone(old, now, added):
    before, after = replace(BEFORE, live=old), replace(HONEST, live=now | added)
    fell = sum(old.values()) - sum(now.get(segment, 0) for segment in old)
    rose = any(now.get(segment, 0) > objects for segment, objects in old.items())
    assert (judge(before, after, EXPECTED).state is State.CLEAN) == (fell == 1 and not rose)


@given(ARCHIVES, ARCHIVES)
def test_clean_means_that_every_older_archive_is_there_as_it_was(old, now):
    verdict = judge(replace(BEFORE, archives=old), replace(HONEST, archives=now), EXPECTED)
    if verdict.state is State.CLEAN:
        assert old <= now
        assert {entry.name for entry in now - old} <= {"new", "new.checkpoint"}
