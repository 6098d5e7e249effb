"""The display of a run: a live table where stderr is a terminal that repaints, whole lines everywhere else.

Neither ever raises into the work: where a reader went away, `console.Lasting` drops what would be printed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live as RichLive
from rich.text import Text

from ..events import Event, Said
from .board import Board, fold
from .console import message_warning, people, repaints, showing, terminal_size
from .lines import event_lines, heartbeat, is_wrong
from .run_table import Frame, frame
from .summary import summary_lines, summary_table

# Redraws a second. Ten are allowed; four look as alive and keep 50 targets well under 3 % of a core.
RATE = 4
HEARTBEAT = 60.0
# Lines that wait for the next redraw. A target that makes ssh talk without end fills no memory.
_WAITING_LINES = 1000


@contextmanager
def open_display(*, quiet: bool, verbose: bool, clock: Callable[[], float] = time.time) -> Iterator[Live | Plain]:
    """Show events on stderr until left, then print the summary, on the crash path too."""
    console = people()
    if repaints(console.file) and not quiet:
        with open_live(console, clock=clock, verbose=verbose) as table:
            yield table
        return
    lines = Plain(console, clock=clock, quiet=quiet, verbose=verbose)
    try:
        # A few seconds late is early enough for a heartbeat each minute.
        with Ticker(lines.tick, interval=5.0):
            yield lines
    finally:
        lines.finish()


class Ticker:
    """Call `beat` every `interval` seconds while the context lasts; `error` is what it raised last.

    A thread of our own, and neither rich's nor an asyncio task: rich's dies with a traceback in the middle of the
    table when a drawing fails; a task stops with the event loop, just when people want to see that something is stuck.
    """

    def __init__(self, beat: Callable[[], None], *, interval: float) -> None:
        self.error: Exception | None = None
        self._beat = beat
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="borgpull-ui", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._beat()
            # Whatever is wrong with the screen, the backup is worth more; the next beat tries again.
            except Exception as error:
                self.error = error
            if self._stopped.wait(self._interval):
                return


class Plain:
    """Print events as lines on `console`, and a heartbeat once a minute.

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
        """Print the summary; with `quiet` all that it could say is printed already."""
        with self._lock:
            if not self._quiet:
                self._print(summary_lines(self.board, self._clock()))

    def _print(self, lines: Iterable[Text]) -> None:
        for line in lines:
            self._console.print(line)


@contextmanager
def open_live(console: Console, *, clock: Callable[[], float], verbose: bool = False) -> Iterator[Live]:
    """Show events as a table until left, and then only the summary.

    Events only change a record; a thread of our own draws it. So drawing never raises into the work, never holds it up
    behind a terminal that is stopped by Ctrl-S, and costs the same however many events come. No alternate screen: what
    is printed above the table can be scrolled back to.
    """
    # stdout may be a pipe with data in it, which must not end up on the screen.
    table = RichLive(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=True)
    live = Live(table, clock=clock, verbose=verbose)
    ticker = Ticker(live.tick, interval=1 / RATE)
    try:
        with showing(console), table:
            try:
                with ticker:
                    yield live
            finally:
                # Lines that came since the last redraw are still to be read.
                with suppress(Exception):
                    live.tick()
    finally:
        for part in summary_table(live.board, clock(), console.width):
            console.print(part, soft_wrap=isinstance(part, Text))
        if ticker.error is not None:
            message_warning(f"the table could not be drawn: {ticker.error!r}")


class Live:
    """The table; `verbose` prints what borg and ssh said above it."""

    def __init__(self, table: RichLive, *, clock: Callable[[], float], verbose: bool) -> None:
        self.board = Board()
        self._table = table
        self._console = table.console
        self._clock = clock
        self._verbose = verbose
        self._above: deque[Text] = deque(maxlen=_WAITING_LINES)
        self._size: tuple[int, int] | None = None
        self._drawn: Frame | None = None

    def handle(self, event: Event) -> None:
        """Take in `event`; it is seen at the next redraw."""
        self.board = fold(self.board, event)
        # A target's problems are in its row and in the summary; those of the run have no row.
        if isinstance(event, Said) or (not event.target and is_wrong(self.board, event)):
            self._above.extend(event_lines(self.board, event, verbose=self._verbose))

    def tick(self) -> None:
        if not self.board.rows and not self._above:
            return
        columns, rows = size = terminal_size(self._console.file)
        resized = self._size is not None and size != self._size
        self._size = self._console.size = size
        if resized:
            # A narrower terminal has wrapped the old lines onto an unknown number of rows: begin afresh.
            self._console.control(Control.clear(), Control.home())
        above = [self._above.popleft() for _ in range(len(self._above))]
        if above:
            self._console.print(Group(*above))
        # One column and one row stay free: a full last one scrolls on some terminals.
        now_shown = frame(self.board, now=self._clock(), width=columns - 1, height=rows - 1)
        if resized or above or now_shown != self._drawn:
            self._drawn = now_shown
            self._table.update(now_shown, refresh=True)
