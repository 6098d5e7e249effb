"""The display for everything that is not a terminal: whole lines, no repaint, and a heartbeat once a minute.

Never raises into the work: where a reader went away, `stream.Lasting` drops the lines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.text import Text

from borgpull.events import Event
from borgpull.ui.board import Board, fold
from borgpull.ui.lines import event_lines, heartbeat, is_wrong
from borgpull.ui.summary import summary_lines

HEARTBEAT = 60.0


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
        """Take in `event` and print what is worth a line."""
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
