"""Events as lines for people: what is worth a line, and its words. Pure; `display` prints them.

Each line opens with the time and the target, so that one line out of a long journal still says enough.
"""

from __future__ import annotations

from rich.text import Text

from .. import events
from ..errors import plural
from ..events import Event, Outcome, Step
from ..format import counts, percent, size, span
from ..results import stamp
from .board import BAD, RUNNING, Board, Row, Sizes, cleaned, totals
from .console import STYLES, problem_lines, warning_lines

# A heartbeat is one line of a log: with more targets than these at work, the others are counted.
_NAMED = 8


def event_lines(board: Board, event: Event, *, verbose: bool = False) -> list[Text]:
    """Return the lines of `event`, most often one or none; `board` has it folded in already."""
    event = cleaned(event)
    return [stamped(event.at, event.target, line) for line in _bodies(board, event, verbose=verbose)]


def is_wrong(board: Board, event: Event) -> bool:
    """Tell whether `event` says that something went wrong, or what becomes of that: all that is left with --quiet."""
    if isinstance(event, events.TargetFinished):
        return event.outcome in BAD and not _row(board, cleaned(event)).failures
    return isinstance(event, events.Warned | events.Noted | events.Failed)


def heartbeat(board: Board, now: float) -> Text | None:
    """Return the line that names what runs, None when nothing does."""
    running = [row for row in board.rows.values() if row.state == RUNNING]
    if not running:
        return None
    named = [_at_work(row, now) for row in running[:_NAMED]]
    more = [f"and {len(running) - _NAMED} more"] if len(running) > _NAMED else []
    states = totals(board.rows.values(), now).states
    others = counts({state: count for state, count in states.items() if state != RUNNING})
    return stamped(now, "", Text("; ".join(["running: " + ", ".join(named + more), *([others] if others else [])])))


def read_and_new(sizes: Sizes | None) -> list[str]:
    """Return what borg create did in words: "1.2 GB read", "3.4 MB new"."""
    return [f"{size(sizes.original)} read", f"{size(sizes.new)} new"] if sizes else []


def time_taken(row: Row, now: float) -> list[str]:
    """Return how long a target or the run took, in words: "in 3m12s"."""
    spent = row.elapsed(now)
    return [] if spent is None else [f"in {span(spent)}"]


def what_it_did(row: Row, outcome: str, now: float) -> Text:
    """Return how a target ended, what was added to its repository, and how long that took."""
    words = read_and_new(row.sizes)
    if row.archive:
        words.append(f"archive {row.archive.name}")
    if row.streams:
        words.append(plural(len(row.streams), "stream"))
    words += [*time_taken(row, now), *(step.detail for step in row.steps if step.outcome is Outcome.INTERRUPTED)]
    return Text.assemble((outcome, STYLES.get(outcome, "")), "".join(f", {word}" for word in words if word))


def stamped(at: float, target: str, body: Text) -> Text:
    """Return `body` as a complete line of a log: with the time, and the target or "run"."""
    return Text.assemble(f"{stamp(at)} {target or 'run'}: ", body)


def _bodies(board: Board, event: Event, *, verbose: bool) -> list[Text]:
    bodies: list[Text] = []
    match event:
        case events.RunStarted():
            bodies = [Text(f"{plural(len(event.targets), 'target')}, {event.jobs} at a time")]
        case events.StepStarted() if verbose:
            bodies = [Text(f"{event.step}: started{f', {event.detail}' if event.detail else ''}")]
        case events.StepFinished():
            bodies = [Text(_step_words(_row(board, event), event))]
        case events.StepSkipped():
            bodies = [Text(f"{event.step}: skipped, {event.reason}")]
        case events.TargetFinished():
            bodies = [what_it_did(_row(board, event), event.outcome, event.at)]
        case events.Warned():
            bodies = warning_lines(event.text, event.hint)
        case events.Noted():
            bodies = [Text(event.text)]
        case events.Retried():
            when = f"in {span(event.seconds)}" if event.seconds else "at the end of the run"
            again = f"attempt {event.attempt} of {event.attempts} {when}"
            bodies = [Text(f"{event.party}: {event.cause}; {again}")]
        case events.Failed():
            bodies = problem_lines(event)
        case events.CommandFinished() if verbose:
            bodies = [Text(f"{event.command} said: {line}") for line in event.output]
        case events.Said() if verbose:
            bodies = [Text(f"{event.party} said: {event.text}")]
    return bodies


def _row(board: Board, event: Event) -> Row:
    return board.rows[event.target] if event.target else board.run


def _step_words(row: Row, event: events.StepFinished) -> str:
    words = [f"{event.step}: {event.outcome}"]
    if event.detail:
        words.append(event.detail)
    elif event.step is Step.CREATE:
        words += read_and_new(row.sizes)
    if event.step is Step.STREAM:
        words += read_and_new(row.stream)
    return ", ".join(words)


def _at_work(row: Row, now: float) -> str:
    words = [row.name]
    if row.current:
        words.append(row.current.step.value)
        done = row.progress
        if done:
            words.append(percent(done.fraction, estimated=done.estimated))
        if row.current.step is Step.CREATE:
            words += [size(row.sizes.original)] if row.sizes else []
        if row.current.step is Step.STREAM:
            words += [row.current.detail, *([size(row.stream.original)] if row.stream else [])]
        words.append(f"for {span(now - row.current.started)}")
    silent = row.silence(now)
    return " ".join(words) + (f" (no news for {span(silent)})" if silent is not None else "")
