import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from random_events import any_events, one_event
from scenes import START, board_of, done, reading, small_run, stream, tampered

from borgpull.errors import BACKUP_SERVER
from borgpull.events import Failed, RunStarted, Step, StepFinished, Warned
from borgpull.events import Outcome as Ends
from borgpull.ui import report

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def reported(events):
    return json.loads(report.dumps(board_of(events)))


def test_the_published_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_target_is_reported_with_all_that_it_did():
    target = reported(small_run())["targets"][0]
    steps = target.pop("steps")
    assert target == {
        "name": "web1",
        "outcome": "done",
        "started": "2026-11-22T22:40:00.000Z",
        "finished": "2026-11-22T22:43:12.000Z",
        "duration": 192.0,
        "verdict": "clean",
        "archive": {"name": "web1-2026-11-22T22:40:00", "id": "ab" * 32},
        "original_size": 1_200_000_000,
        "deduplicated_size": 3_400_000,
        "files": 4321,
        "streams": [],
        "warnings": [],
        "warnings_total": 0,
        "errors": [],
        "commands": [],
        "retries": [],
    }
    assert steps[1] == {
        "step": "create",
        "started": "2026-11-22T22:40:01.000Z",
        "duration": 189.0,
        "outcome": "done",
        "detail": "",
    }


def test_what_was_read_of_a_stream_stands_beside_what_was_read_of_the_source_paths():
    run = board_of([*done("web1")[:-1], *stream("web1", "db.sql", at=START + 200)])
    target = report.build(run)["targets"][0]
    assert (target["archive"]["name"], target["original_size"]) == ("web1-2026-11-22T22:40:00", 1_200_000_000)
    assert target["streams"] == [
        {
            "name": "db.sql",
            "archive": {"name": "@db.sql-2026-11-22T22:40:00", "id": "cd" * 32},
            "original_size": 7_000_000,
            "deduplicated_size": 5_000,
        }
    ]
    assert [(step["step"], step["detail"]) for step in target["steps"]][-1] == ("stream", "db.sql")


def test_a_failure_is_reported_with_party_cause_and_hint():
    run = reported(small_run())
    assert run["outcome"] == "failed"
    assert run["targets"][2]["errors"] == [
        {
            "at": "2026-11-22T22:40:02.000Z",
            "party": "T db1",
            "cause": "connection refused on port 22",
            "hint": "is sshd running there? try: ssh -p 22 root@host",
            "rules": [],
        }
    ]
    assert run["totals"]["outcomes"]["failed"] == 1


def test_tampering_is_reported_with_its_rules():
    target = reported(tampered("db1"))["targets"][0]
    assert target["verdict"] == "tampered"
    assert target["errors"][0]["rules"] == ["archive db1-2026-11-21 is gone", "3 older objects were deleted"]


def test_what_is_unknown_is_null_and_what_never_began_says_so():
    run = reported([RunStarted(targets=("a", "b"), jobs=1, at=START), *reading("a")])
    assert [target["outcome"] for target in run["targets"]] == ["interrupted", "not-started"]
    assert run["targets"][1]["original_size"] is None
    assert run["targets"][0]["verdict"] is None
    assert run["finished"] is None
    assert run["targets"][0]["steps"][0]["outcome"] == "interrupted"


def test_what_concerns_no_target_is_reported_beside_them():
    run = reported([Warned(at=START, text="t", hint="h"), Failed(at=START, party=BACKUP_SERVER, cause="c")])
    assert run["warnings"][0]["text"] == "t"
    assert run["errors"][0]["party"] == "B"


@pytest.mark.parametrize("events", [[], small_run(), tampered("db1"), done("a")])
def test_reports_of_usual_runs_match_the_published_schema(events):
    CHECK.validate(reported(events))


@settings(deadline=None)
@given(any_events)
def test_the_report_of_any_run_matches_the_published_schema(events):
    CHECK.validate(reported(events))


def test_a_report_that_breaks_its_promise_is_found():
    broken = reported(small_run())
    broken["targets"][0]["surprise"] = 1
    assert not CHECK.is_valid(broken)


def test_an_event_is_one_json_line():
    ended = StepFinished(target="web1", at=START, step=Step.COMPACT, outcome=Ends.DONE, detail="freed 6 kB")
    assert json.loads(report.event_line(ended)) == {
        "schema": 1,
        "event": "step_finished",
        "at": "2026-11-22T22:40:00.000Z",
        "target": "web1",
        "step": "compact",
        "outcome": "done",
        "detail": "freed 6 kB",
    }


@settings(deadline=None)
@given(one_event)
def test_any_event_is_one_printable_line_that_json_can_read(event):
    line = report.event_line(event)
    assert line.isprintable()
    assert {"schema", "event", "at", "target"} <= set(json.loads(line))
