"""docs/events.md is what programs are written by: every event with every field and its type, and nothing else."""

import json
import re
import types
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from random_events import one_event

from borgpull import events
from borgpull.ui import report

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
HEAD, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
DOCUMENTED = {section.partition("\n")[0]: dict(ROW.findall(section)) for section in SECTIONS}
COMMON = dict(ROW.findall(HEAD))
TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "tuple[str, ...]": "list of strings",
    "Step": "step",
    "Outcome": "outcome",
}
EMITTED = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
COMMON_FIELDS = {"at", "target"}
LEFT_OUT = {events.Retried: {"findings"}}
OWN = {
    kind: {
        {"findings": "rules"}.get(each.name, each.name): TYPES[each.type]
        for each in fields(kind)
        if each.name not in COMMON_FIELDS | LEFT_OUT.get(kind, set())
    }
    for kind in EMITTED
    if kind is not events.Event
}


def named(kind: type) -> str:
    return re.sub(r"\B([A-Z])", r"_\1", kind.__name__).lower()


def test_the_page_tells_all_events_in_the_order_in_which_they_are_defined():
    assert list(DOCUMENTED) == [named(kind) for kind in OWN]


@pytest.mark.parametrize("kind", OWN, ids=named)
def test_an_event_is_told_with_all_its_fields(kind):
    assert DOCUMENTED[named(kind)] == OWN[kind]


@pytest.mark.parametrize(("kind", "word"), [(events.Step, "step"), (events.Outcome, "outcome")])
def test_all_steps_and_outcomes_are_told(kind, word):
    (told,) = re.findall(rf"^An? \*\*{word}\*\* is one of (.*?)(?=\n\n)", HEAD, re.MULTILINE | re.DOTALL)
    assert re.findall(r"`([\w-]+)`", told) == [each.value for each in kind]


JSON = {
    "string": str,
    "time": str,
    "integer": int,
    "number": float,
    "list of strings": list,
    "step": str,
    "outcome": str,
    "string or null": str | types.NoneType,
}


@settings(deadline=None)
@given(one_event)
def test_any_line_has_the_fields_of_the_page_and_their_types(event):
    line = report.event_line(event)
    record = json.loads(line)
    promised = COMMON | DOCUMENTED[record["event"]]
    assert list(record) == list(promised)
    assert [name for name, kind in promised.items() if not isinstance(record[name], JSON[kind])] == []
    assert record["schema"] == 1
    assert line.isascii()
