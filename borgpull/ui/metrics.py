"""The run for Prometheus: a textfile as node_exporter's collector reads it. Pure: made of the board and the last file.

What describes the last success stays until the next one, and what a run does not touch stays as it was: so the last
file is read again. It has names of targets, and no other text of a host. docs/monitoring.md is the promise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .. import __version__
from ..events import Outcome
from .board import Board, Row, closed
from .report import NOT_STARTED, verdict

_SUCCEEDED = {Outcome.DONE, Outcome.WARNING}
_OUTCOMES = (*(outcome.value for outcome in Outcome), NOT_STARTED)
_VERDICTS = ("clean", Outcome.TAMPERED.value, Outcome.UNVERIFIABLE.value, "none")

_OF_SUCCESS = {
    "borgpull_target_last_success_timestamp_seconds": "When a run last backed it up, unix time; 0 if not known.",
    "borgpull_target_original_size_bytes": "What the last successful run read on the target.",
    "borgpull_target_deduplicated_size_bytes": "What of it was new to the repository.",
    "borgpull_target_files": "How many files the last successful run read.",
}
_OF_RUN = {
    "borgpull_target_last_run_timestamp_seconds": "When the last run was through with the target, unix time.",
    "borgpull_target_duration_seconds": "How long the last run took with the target.",
    "borgpull_target_warnings": "How many warnings the last run had about the target.",
    "borgpull_target_outcome": "How the last run ended for the target: 1 for its outcome, 0 for the others.",
    "borgpull_target_verdict": "What the last run found in the backup server's records: 1 for it, 0 for the others.",
}
_OF_ALL = {
    "borgpull_run_last_timestamp_seconds": "When the last run ended, unix time.",
    "borgpull_run_duration_seconds": "How long the last run took.",
    "borgpull_run_exit_code": "The exit code of the last run.",
    "borgpull_run_targets": "How many targets the last run was about.",
    "borgpull_build_info": "The version of borgpull that wrote this.",
}
_SUCCESS = "borgpull_target_last_success_timestamp_seconds"

# A line of ours about a target; other lines, of a damaged file, are left out.
_SERIES = r'(borgpull_target_[a-z_]+)\{target="((?:[^"\\]|\\[\\"n])*)"(?:,(?:outcome|verdict)="[a-z-]+")?\}'
_LINE = re.compile(rf"({_SERIES}) [0-9]+(?:\.[0-9]+)?")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
_MEANT = {escaped: letter for letter, escaped in _ESCAPES.items()}

# The lines of each family.
_Lines = dict[str, list[str]]


def text(board: Board, *, targets: Iterable[str], exit_code: int, previous: str = "") -> str:
    """Return the textfile after a run.

    `targets` are all that this file is about, also those that the run did not choose; `previous` is the file as it was.
    """
    board = closed(board)
    kept = _read(previous)
    series = [_run_lines(board, exit_code)]
    series += [_about(name, board.rows.get(name), kept.get(name, {})) for name in targets]
    found = ""
    for family, meaning in (_OF_SUCCESS | _OF_RUN | _OF_ALL).items():
        if lines := [line for each in series for line in each.get(family, ())]:
            found += f"# HELP {family} {meaning}\n# TYPE {family} gauge\n" + "".join(f"{line}\n" for line in lines)
    return found


def _read(previous: str) -> dict[str, _Lines]:
    """Return the lines of each target in a file, each series once."""
    kept: dict[str, dict[str, dict[str, str]]] = {}
    for line in previous.split("\n"):
        if (found := _LINE.fullmatch(line)) and found[2] in _OF_SUCCESS | _OF_RUN:
            name = re.sub(r"\\.", lambda escape: _MEANT[escape[0]], found[3])
            kept.setdefault(name, {}).setdefault(found[2], {})[found[1]] = line
    return {name: {family: [*lines.values()] for family, lines in each.items()} for name, each in kept.items()}


def _about(name: str, row: Row | None, kept: _Lines) -> _Lines:
    never = {_SUCCESS: [_line(_SUCCESS, 0, target=name)]}
    if row is None:
        return never | kept
    succeeded = row.outcome in _SUCCEEDED
    untouched = row.started is None
    old = {name: lines for name, lines in kept.items() if untouched or (name in _OF_SUCCESS and not succeeded)}
    return never | old | _fresh(name, row, succeeded=succeeded)


def _fresh(name: str, row: Row, *, succeeded: bool) -> _Lines:
    ended = row.finished if row.finished is not None else row.seen
    numbers: dict[str, float | None] = {
        "borgpull_target_last_run_timestamp_seconds": ended,
        "borgpull_target_duration_seconds": row.elapsed(ended or 0.0),
        "borgpull_target_warnings": row.warning_count,
    }
    if succeeded:
        numbers[_SUCCESS] = ended
    if succeeded and row.sizes:
        numbers["borgpull_target_original_size_bytes"] = row.sizes.original
        numbers["borgpull_target_deduplicated_size_bytes"] = row.sizes.new
        numbers["borgpull_target_files"] = row.sizes.files
    lines = {family: [_line(family, n, target=name)] for family, n in numbers.items() if n is not None}
    states = {"outcome": (_OUTCOMES, row.outcome or NOT_STARTED), "verdict": (_VERDICTS, verdict(row) or "none")}
    for label, (every, current) in states.items():
        family = f"borgpull_target_{label}"
        lines[family] = [_line(family, int(state == current), target=name, **{label: state}) for state in every]
    return lines


def _run_lines(board: Board, exit_code: int) -> _Lines:
    run = board.run
    numbers: dict[str, float | None] = {
        "borgpull_run_last_timestamp_seconds": run.finished,
        "borgpull_run_duration_seconds": run.elapsed(run.finished) if run.finished else None,
        "borgpull_run_exit_code": exit_code,
        "borgpull_run_targets": len(board.rows),
    }
    lines = {family: [_line(family, number)] for family, number in numbers.items() if number is not None}
    return lines | {"borgpull_build_info": [_line("borgpull_build_info", 1, version=__version__)]}


def _line(name: str, number: float, **labels: str) -> str:
    pairs = ",".join(f'{label}="{"".join(_ESCAPES.get(c, c) for c in value)}"' for label, value in labels.items())
    figure = str(number) if isinstance(number, int) else f"{number:.3f}"
    return f"{name}{{{pairs}}} {figure}" if pairs else f"{name} {figure}"
