"""What the version before printed is read by the schemas and the events page of today: no field was lost or renamed.

Recorded at 0f59005: a run of three targets (done, tampered, failed), and what status, doctor, list and drill said then.
"""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from test_events_page import COMMON, DOCUMENTED

RECORDED = Path(__file__).parent / "recorded"
DOCS = Path(__file__).parents[2] / "docs"
EVENTS = [json.loads(line) for line in (RECORDED / "events.jsonl").read_text(encoding="utf-8").splitlines()]
# The one word that changed: the doctor's row has the name of the config key.
RENAMED = (r'"what": "road"', '"what": "transport"')
# What status says since.
ADDED = (r'"expected": null', '"next_prune": null, "to_prune": null, "expected": null')


@pytest.mark.parametrize("name", ["report", "status", "doctor", "list", "drill"])
def test_what_was_printed_before_matches_the_schema_of_today(name):
    schema = json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))
    text = re.sub(*ADDED, re.sub(*RENAMED, (RECORDED / f"{name}.json").read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


def test_the_report_that_was_printed_has_each_kind_of_outcome():
    report = json.loads((RECORDED / "report.json").read_text(encoding="utf-8"))
    assert [target["outcome"] for target in report["targets"]] == ["done", "tampered", "failed"]


def test_each_event_that_was_printed_has_the_fields_of_today():
    assert len({event["event"] for event in EVENTS}) >= 8
    for event in EVENTS:
        assert set(event) == set(COMMON) | set(DOCUMENTED[event["event"]])
