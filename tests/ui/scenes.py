"""Runs as an operator would meet them, told in events: data for the tests of the ui room."""

from __future__ import annotations

from collections.abc import Iterable

from borgpull.errors import target_party
from borgpull.events import (
    ArchiveCreated,
    ArchiveProgress,
    Estimated,
    Event,
    Failed,
    Outcome,
    PercentProgress,
    RunFinished,
    RunStarted,
    Step,
    StepFinished,
    StepSkipped,
    StepStarted,
    TargetFinished,
    Warned,
)
from borgpull.ui.board import Board, fold

START = 1_795_387_200.0  # 2026-11-22T22:40:00Z
GB = 1_000_000_000


def board_of(events: Iterable[Event]) -> Board:
    board = Board()
    for event in events:
        board = fold(board, event)
    return board


def reading(name: str, *, at: float = START, estimate: int = 0, read: int = 0, seconds: float = 8.0) -> list[Event]:
    """A target in the middle of borg create, `seconds` after it began."""
    events: list[Event] = [StepStarted(target=name, at=at, step=Step.CREATE)]
    if estimate:
        events.append(Estimated(target=name, at=at, original_size=estimate, files=100))
    return [
        *events,
        progress(name, at=at, read=0),
        progress(name, at=at + seconds, read=read),
    ]


def progress(name: str, *, at: float, read: int) -> ArchiveProgress:
    return ArchiveProgress(
        target=name, at=at, original_size=read, deduplicated_size=read // 10, files=12, path="/srv/data/file"
    )


def done(name: str, *, at: float = START, outcome: Outcome = Outcome.DONE) -> list[Event]:
    """A target that is through, 192 seconds after it began."""
    return [
        StepStarted(target=name, at=at, step=Step.CONNECT),
        StepFinished(target=name, at=at + 1, step=Step.CONNECT, outcome=Outcome.DONE),
        StepStarted(target=name, at=at + 1, step=Step.CREATE),
        ArchiveCreated(
            target=name,
            at=at + 190,
            name=f"{name}-2026-11-22T22:40:00",
            archive_id="ab" * 32,
            original_size=1_200_000_000,
            deduplicated_size=3_400_000,
            files=4321,
        ),
        StepFinished(target=name, at=at + 190, step=Step.CREATE, outcome=Outcome.DONE),
        StepStarted(target=name, at=at + 190, step=Step.VERIFY),
        StepFinished(target=name, at=at + 192, step=Step.VERIFY, outcome=Outcome.DONE),
        StepSkipped(target=name, at=at + 192, step=Step.CHECK, reason="due from 2026-11-28 14:05 UTC"),
        TargetFinished(target=name, at=at + 192, outcome=outcome),
    ]


def stream(name: str, stream: str, *, at: float) -> list[Event]:
    """A stream of 7 MB that is read, and has its archive."""
    return [
        StepStarted(target=name, at=at, step=Step.STREAM, detail=stream),
        ArchiveProgress(target=name, at=at + 1, original_size=7_000_000, deduplicated_size=5_000, files=0, path=stream),
        ArchiveCreated(
            target=name,
            at=at + 2,
            name=f"@{stream}-2026-11-22T22:40:00",
            archive_id="cd" * 32,
            original_size=7_000_000,
            deduplicated_size=5_000,
            files=1,
            stream=stream,
        ),
        StepFinished(target=name, at=at + 2, step=Step.STREAM, outcome=Outcome.DONE, detail=stream),
    ]


def failed(name: str, *, at: float = START) -> list[Event]:
    return [
        StepStarted(target=name, at=at, step=Step.CONNECT),
        StepFinished(target=name, at=at + 2, step=Step.CONNECT, outcome=Outcome.FAILED),
        Failed(
            target=name,
            at=at + 2,
            party=target_party(name),
            cause="connection refused on port 22",
            hint="is sshd running there? try: ssh -p 22 root@host",
        ),
        TargetFinished(target=name, at=at + 2, outcome=Outcome.FAILED),
    ]


def tampered(name: str, *, at: float = START) -> list[Event]:
    return [
        StepStarted(target=name, at=at, step=Step.VERIFY),
        StepFinished(target=name, at=at + 2, step=Step.VERIFY, outcome=Outcome.TAMPERED),
        Failed(
            target=name,
            at=at + 2,
            party=target_party(name),
            cause="the repository was tampered with",
            hint=f"borgpull rollback {name}",
            findings=("archive db1-2026-11-21 is gone", "3 older objects were deleted"),
        ),
        TargetFinished(target=name, at=at + 2, outcome=Outcome.TAMPERED),
    ]


def small_run() -> list[Event]:
    """Three targets: one done, one with a warning, one refused; all through."""
    return [
        RunStarted(targets=("web1", "web2", "db1"), jobs=2, at=START),
        *done("web1"),
        Warned(target="web2", at=START + 5, text="/etc/shadow: permission denied", hint="run as root on web2"),
        *done("web2", outcome=Outcome.WARNING),
        *failed("db1"),
        RunFinished(at=START + 192, outcome=Outcome.FAILED),
    ]


def big_run(*, targets: int = 200, running: int = 8, through: int = 10, broken: int = 2) -> list[Event]:
    """Many targets: `through` done, then `broken` failed, then `running` at work, and the rest waiting."""
    names = tuple(f"host{n:03d}" for n in range(targets))
    events: list[Event] = [RunStarted(targets=names, jobs=max(1, running), at=START)]
    for name in names[:through]:
        events += done(name)
    for name in names[through : through + broken]:
        events += failed(name)
    for n, name in enumerate(names[through + broken : through + broken + running]):
        if n % 4 == 3:
            events += checking(name)
        else:
            events += reading(name, estimate=(n % 2) * 10 * GB, read=4 * GB + n)
    return events


def checking(name: str, *, at: float = START) -> list[Event]:
    return [
        StepStarted(target=name, at=at, step=Step.CHECK),
        PercentProgress(target=name, at=at + 8, step=Step.CHECK, current=123, total=1000, message="checking"),
    ]
