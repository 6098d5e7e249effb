"""The display of a run: a live table where stderr is a terminal that repaints, whole lines everywhere else.

Lines have no repaint, and a heartbeat once a minute. They never raise into the work: where a reader went away,
`console.Lasting` drops them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.text import Text

from ..events import Event
from .board import Board, fold
from .console import people, repaints
from .lines import event_lines, heartbeat, is_wrong
from .live import Live, Ticker
from .summary import summary_lines

HEARTBEAT = 60.0


class Display(Protocol):
    """Where events go. `board` is what they add up to, for the report."""

    @property
    def board(self) -> Board:
        """The run as it stands."""

    def handle(self, event: Event) -> None:
        """Take in `event`, from one thread. Never raises on account of the screen."""


@contextmanager
def open_display(
    *, quiet: bool, verbose: bool, live: bool | None = None, clock: Callable[[], float] = time.time
) -> Iterator[Display]:
    """Show events on stderr until left, then print the summary, on the crash path too.

    `live` forces the choice between table and lines; without it stderr and `quiet` decide.
    """
    console = people()
    repaint = repaints(console.file) and not quiet if live is None else live
    if repaint:
        with Live(console, clock=clock, verbose=verbose) as table:
            yield table
    else:
        with _plain(console, quiet=quiet, verbose=verbose, clock=clock) as lines:
            yield lines


@contextmanager
def _plain(console: Console, *, quiet: bool, verbose: bool, clock: Callable[[], float]) -> Iterator[Plain]:
    lines = Plain(console, clock=clock, quiet=quiet, verbose=verbose)
    # A few seconds late for a minute's beat is early enough, and wakes nobody often.
    ticker = Ticker(lines.tick, interval=5.0)
    ticker.start()
    try:
        yield lines
    finally:
        ticker.stop()
        lines.finish()


class Plain:
    """Print events as lines on `console`.

    `quiet` prints only what went wrong, `verbose` also what borg and ssh said.
    """

    def __init__(
        self, console: Console, *, clock: Callable[[], float], quiet: bool = False, verbose: bool = False
    ) -> None:
        self.board = Board()
        self._console = console
        self._clock = clock
        self._quiet = quiet
        self._verbose = verbose
        self._beaten = clock()
        # The heartbeat comes from another thread than the events.
        self._lock = threading.Lock()

    def handle(self, event: Event) -> None:
        with self._lock:
            self.board = fold(self.board, event)
            if not self._quiet or is_wrong(self.board, event):
                self._print(event_lines(self.board, event, verbose=self._verbose))

    def tick(self) -> None:
        """Print the heartbeat when a minute has passed; to be called every few seconds."""
        with self._lock:
            now = self._clock()
            if self._quiet or now - self._beaten < HEARTBEAT:
                return
            self._beaten = now
            line = heartbeat(self.board, now)
            self._print([line] if line else [])

    def finish(self) -> None:
        """Print the summary; with `quiet` all that it could say was said already."""
        with self._lock:
            if not self._quiet:
                self._print(summary_lines(self.board, self._clock()))

    def _print(self, lines: Iterable[Text]) -> None:
        for line in lines:
            self._console.print(line)
