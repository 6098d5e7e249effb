"""Opens the display that fits where stderr leads: a live table on a terminal, lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console

from borgpull.events import Event
from borgpull.ui.board import Board
from borgpull.ui.console import people, repaints
from borgpull.ui.live import Live
from borgpull.ui.plain import Plain
from borgpull.ui.ticker import Ticker


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
