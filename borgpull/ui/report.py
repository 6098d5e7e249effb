"""The run for programs: one JSON report at the end, and a JSON line for each event on the way.

Its shape is a promise: docs/report.schema.json. A change that breaks a reader raises `SCHEMA`.
Sizes are bytes, durations seconds, times RFC 3339 in UTC. What is unknown is null, never zero.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from ..errors import party_code
from ..events import ArchiveCreated, CommandFinished, Event, Outcome, Retried, Step
from ..results import stamp
from ..untrusted import shown
from .board import Board, Row, Sizes, StepRecord, cleaned, closed, totals

SCHEMA = 1
NOT_STARTED = "not-started"
SKIPPED = "skipped"
_WARNING, _ERROR = ("text", "hint"), ("party", "cause", "hint", "findings")


def build(board: Board) -> dict[str, Any]:
    """Return the report of `board`; what has not ended by now counts as interrupted or not started."""
    board = closed(board)
    run = board.run
    return {
        "schema": SCHEMA,
        "outcome": run.outcome,
        **_times(run.started, run.finished),
        "jobs": board.jobs,
        "targets": [_target(row) for row in board.rows.values()],
        "totals": _totals(board),
        "warnings": [_at(each, *_WARNING) for each in run.warnings],
        "errors": [_at(each, *_ERROR) for each in run.failures],
    }


def dumps(board: Board) -> str:
    """Return the report as text, indented; what is not ASCII is escaped, so nothing in it can move a cursor."""
    return json.dumps(build(board), indent=2)


def event_line(event: Event) -> str:
    """Return `event` as one JSON line without its line end: {"schema": 1, "event": "step_started", "at": …}."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    head = {"schema": SCHEMA, "event": kind, "at": _time(event.at), "target": shown(event.target) or None}
    # An attempt that is repeated has left no traces.
    left_out = {*head, "findings"} if isinstance(event, Retried) else set(head)
    return json.dumps(head | _json(cleaned(event), *(name for name in vars(event) if name not in left_out)))


def _target(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "outcome": row.outcome or NOT_STARTED,
        **_times(row.started, row.finished),
        "verdict": verdict(row),
        "archive": {"name": row.archive.name, "id": row.archive.archive_id} if row.archive else None,
        **_sizes(row.sizes),
        "streams": [_stream(each) for each in row.streams],
        "steps": [_step(step) for step in row.steps],
        "warnings": [_at(each, *_WARNING) for each in row.warnings],
        "warnings_total": row.warning_count,
        "errors": [_at(each, *_ERROR) for each in row.failures],
        "commands": [_command(each) for each in row.commands],
        "retries": [_at(each, "party", "cause") for each in row.retries],
    }


def verdict(row: Row) -> str | None:
    """Return what the backup server's records showed, None where no run read them."""
    ends = {step.outcome for step in row.steps} | {row.outcome}
    for bad in (Outcome.TAMPERED, Outcome.UNVERIFIABLE):
        if bad in ends:
            return bad
    verified = any(
        s.step is Step.VERIFY and s.outcome in {Outcome.DONE, Outcome.WARNING, Outcome.HELD} for s in row.steps
    )
    return "clean" if verified else None


def _step(step: StepRecord) -> dict[str, Any]:
    times = _times(step.started, step.finished)
    del times["finished"]
    outcome = SKIPPED if step.skipped else step.outcome or Outcome.INTERRUPTED
    return {"step": step.step, **times, "outcome": outcome, "detail": step.detail}


def _stream(made: ArchiveCreated) -> dict[str, Any]:
    return {
        "name": made.stream,
        "archive": {"name": made.name, "id": made.archive_id},
        "original_size": max(0, made.original_size),
        "deduplicated_size": max(0, made.deduplicated_size),
    }


def _command(command: CommandFinished) -> dict[str, Any]:
    # -1 is said where there is no exit status.
    status = command.status if 0 <= command.status < 256 else None
    return _at(command, "command") | {"status": status, "output": list(command.output)}


def _at(event: Event, *names: str) -> dict[str, Any]:
    return {"at": _time(event.at)} | _json(event, *names)


def _json(event: Event, *names: str) -> dict[str, Any]:
    """Return these fields of `event` as JSON has them: its names for parties and findings are older than ours."""
    fields = {name: getattr(event, name) for name in names}
    if "party" in fields:
        fields["party"] = party_code(fields["party"])
    return {"rules" if name == "findings" else name: value for name, value in fields.items()}


def _totals(board: Board) -> dict[str, Any]:
    # No speed is asked for, so any moment will do.
    every = totals(board.rows.values(), 0.0)
    ends = Counter(row.outcome or NOT_STARTED for row in board.rows.values())
    return {
        "targets": len(board.rows),
        "outcomes": {end: ends[end] for end in [*Outcome, NOT_STARTED]},
        **_sizes(every.sizes),
        "warnings": sum(row.warning_count for row in (*board.rows.values(), board.run)),
    }


def _sizes(sizes: Sizes | None) -> dict[str, int | None]:
    if sizes is None:
        return dict.fromkeys(("original_size", "deduplicated_size", "files"))
    return {"original_size": sizes.original, "deduplicated_size": sizes.new, "files": sizes.files}


def _times(started: float | None, finished: float | None) -> dict[str, Any]:
    known = started is not None and finished is not None
    duration = round(max(0.0, (finished or 0.0) - (started or 0.0)), 3) if known else None
    return {"started": _time(started), "finished": _time(finished), "duration": duration}


def _time(at: float | None) -> str | None:
    return None if at is None else stamp(at, millis=True)
