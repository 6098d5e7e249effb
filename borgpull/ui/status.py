"""What `status` prints for people: pure, returns a table and lines.

The first line sums it up, for a monitor shows no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from ..errors import Problem, first_few, plural, target_party
from ..format import size, span
from ..results import Level, State, StatusReport, TargetStatus
from ..untrusted import shown
from .console import STYLES, problem_lines, table

_WORDS = {State.NEVER: "never backed up"}
_WORST_FIRST = (
    *(State.TAMPERED, State.UNVERIFIABLE, State.UNKNOWN, State.NEVER),
    *(State.FAILING, State.HELD, State.STALE, State.CHANGED, State.INTERRUPTED, State.OK),
)
_MOST_OTHERS = 20


def status_lines(report: StatusReport) -> list[RenderableType]:
    if report.error:
        return [*problem_lines(report.error, "UNKNOWN")]
    figures = ["last good", "archives", "size", "growth", "free", "checked"]
    rows = [_cells(target, report.at) for target in report.targets]
    states = table(["target", "state", *figures, "ledger"], rows, fold=["target"], right=figures)
    parts: list[RenderableType] = [_first_line(report), states]
    for target in report.targets:
        parts += _problem(target, report.max_age)
    parts += [Text(f"of no target of the config: {shown(other)}") for other in report.others[:_MOST_OTHERS]]
    if more := len(report.others[_MOST_OTHERS:]):
        parts.append(Text(f"and {more} more of no target"))
    return parts


def _first_line(report: StatusReport) -> Text:
    groups = {state: [each.target for each in report.targets if each.state is state] for state in _WORST_FIRST}
    words = [_group(state, names) for state, names in groups.items() if names]
    return Text.assemble((report.level.upper(), STYLES[report.level]), ": ", ", ".join(words) or "no target")


def _group(state: State, names: Sequence[str]) -> str:
    if state is State.OK:
        return f"{plural(len(names), 'target')} ok"
    # A monitor cuts its line off somewhere.
    named = first_few([shown(name, longest=40) for name in names])
    return f"{len(names)} {_WORDS.get(state, state)} ({named})"


def _cells(target: TargetStatus, now: float) -> list[str | Text]:
    return [
        target.target,
        Text(target.state, style=STYLES[target.state]),
        f"{span(target.last.age)} ago" if target.last else "never",
        "" if target.archives is None else str(target.archives),
        "" if target.size is None else size(target.size),
        "" if target.growth is None else f"{'-' if target.growth < 0 else '+'}{size(abs(target.growth))}",
        "" if target.free is None else size(target.free),
        "never" if target.checked is None else f"{span(max(0.0, now - target.checked))} ago",
        ", ".join(_ledger_words(target, now)),
    ]


def _when(due: float | None, now: float) -> str:
    return "never" if due is None else f"in {span(due - now)}" if due > now else "due"


def _ledger_words(target: TargetStatus, now: float) -> Iterator[str]:
    yield target.ledger
    if target.to_prune:
        yield f"prune {_when(target.next_prune, now)} ({plural(target.to_prune, 'archive')})"
    if target.at_work:
        yield "at work"
    if target.grace:
        yield f"grace {target.grace}" + (f" ({size(target.grace_size)})" if target.grace_size else "")
    if target.expected is not None:
        yield "change expected"


def _problem(target: TargetStatus, max_age: float) -> list[Text]:
    if target.level is Level.OK:
        return []
    cause = target.cause
    if target.state is State.STALE and target.last and target.last.age > max_age:
        cause += f": {span(target.last.age)} old, more than {span(max_age)}"
    problem = Problem(target_party(target.target), cause, target.hint, target.findings)
    return problem_lines(problem, "warning" if target.level is Level.WARNING else "error")
