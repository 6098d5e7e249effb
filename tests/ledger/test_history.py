"""The history lies on the backup server: what is no entry there is left out, and each that is read can be shown."""

import json

import pytest

from borgpull.ledger.history import Entry, read_history
from borgpull.results import stamp

ENTRY = Entry(what="run", outcome="ok", controller="here", at=1795743331.5)


def lines(**changed: object) -> bytes:
    return ENTRY.dump() + json.dumps(json.loads(ENTRY.dump()) | changed).encode() + b"\n"


def test_entries_come_back_in_the_order_of_their_time():
    found = read_history(lines(at=5, cause="\x1b[2J", later=1))
    assert [(entry.at, entry.cause) for entry in found] == [(5.0, "�[2J"), (ENTRY.at, "")]


@pytest.mark.parametrize(
    "changed", [{"at": at} for at in (1e300, 10**400, -1, True, "5", None, float("nan"))] + [{"what": 5}, {"cause": []}]
)
def test_an_entry_that_nobody_wrote_so_is_left_out_and_the_others_are_shown(changed):
    assert [stamp(entry.at) for entry in read_history(lines(**changed))] == [stamp(ENTRY.at)]


@pytest.mark.parametrize("key", ["what", "controller", "at"])
def test_an_entry_without_who_or_when_is_left_out(key):
    record = json.loads(ENTRY.dump())
    del record[key]
    assert read_history(json.dumps(record).encode()) == ()


def test_what_is_no_entry_is_left_out():
    assert read_history(b"5\n[]\nnull\n{}\n\xff\n" + b"[" * 9000 + b"\n" + ENTRY.dump()) == (ENTRY,)
