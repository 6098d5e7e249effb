"""What `status` answers, for people: pure, returns a table and lines.

The first line sums it up, for a monitor shows no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..errors import Problem, target_party
from ..results import Level, State, TargetStatus, worst_level
from ..untrusted import shown
from .console import STYLES, problem_lines
from .format import plural, size, span

_WORDS = {State.NEVER: "never backed up"}
_WORST_FIRST = (
    *(State.TAMPERED, State.UNVERIFIABLE, State.UNKNOWN, State.NEVER),
    *(State.FAILING, State.HELD, State.STALE, State.CHANGED, State.INTERRUPTED, State.OK),
)
# A monitor cuts its line off somewhere.
_MOST_NAMED = 5
_MOST_OTHERS = 20


def status_lines(
    standings: Sequence[TargetStatus], *, now: float, max_age: float, others: Sequence[str] = ()
) -> list[RenderableType]:
    parts: list[RenderableType] = [_first_line(standings), _table(standings, now)]
    for standing in standings:
        parts += _trouble(standing, max_age)
    parts += [Text(f"of no target of the config: {shown(other)}") for other in others[:_MOST_OTHERS]]
    if more := len(others[_MOST_OTHERS:]):
        parts.append(Text(f"and {more} more of none"))
    return parts


def _first_line(standings: Sequence[TargetStatus]) -> Text:
    level = worst_level(standings)
    groups = {state: [each.target for each in standings if each.state is state] for state in _WORST_FIRST}
    words = [_group(state, names) for state, names in groups.items() if names]
    return Text.assemble((level.upper(), STYLES[level]), ": ", ", ".join(words) or "no target")


def _group(state: State, names: Sequence[str]) -> str:
    if state is State.OK:
        return f"{plural(len(names), 'target')} ok"
    named = ", ".join(shown(name, longest=40) for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} {_WORDS.get(state, state)} ({named}{more})"


def _table(standings: Sequence[TargetStatus], now: float) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("target", overflow="fold")
    table.add_column("state", no_wrap=True)
    for title in ("last good", "archives", "size", "growth", "free", "checked"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("ledger", no_wrap=True)
    for standing in standings:
        state = Text(standing.state, style=STYLES[standing.state])
        table.add_row(Text(shown(standing.target)), state, *map(Text, _cells(standing, now)))
    return table


def _cells(standing: TargetStatus, now: float) -> list[str]:
    return [
        f"{span(standing.last.age)} ago" if standing.last else "never",
        "" if standing.archives is None else str(standing.archives),
        "" if standing.size is None else size(standing.size),
        "" if standing.growth is None else f"{'-' if standing.growth < 0 else '+'}{size(abs(standing.growth))}",
        "" if standing.free is None else size(standing.free),
        "never" if standing.checked is None else f"{span(max(0.0, now - standing.checked))} ago",
        ", ".join(_ledger_words(standing)),
    ]


def _ledger_words(standing: TargetStatus) -> Iterator[str]:
    yield standing.ledger
    if standing.at_work:
        yield "at work"
    if standing.grace:
        yield f"grace {standing.grace}" + (f" ({size(standing.grace_size)})" if standing.grace_size else "")
    if standing.expected is not None:
        yield "change expected"


def _trouble(standing: TargetStatus, max_age: float) -> Iterator[Text]:
    if standing.level is Level.OK:
        return
    party, cause = target_party(standing.target), standing.cause
    if standing.state is State.STALE and standing.last and standing.last.age > max_age:
        cause += f": {span(standing.last.age)} old, more than {span(max_age)}"
    problem = Problem(party, cause, standing.hint, standing.findings)
    yield from problem_lines(problem, "warning" if standing.level is Level.WARNING else "error")
