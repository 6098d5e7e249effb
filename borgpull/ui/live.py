"""The display on a terminal: a table that is redrawn, and gone at the end so that only the summary stays.

Events only change a record; a thread of our own draws it. So drawing never raises into the work, never holds
it up behind a terminal that is stopped by Ctrl-S, and costs the same however many events come. No alternate
screen: what is printed above the table can be scrolled back to.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live as RichLive
from rich.text import Text

from ..events import Event, Said
from .board import Board, fold
from .console import message_warning, showing, terminal_size
from .frame import Frame, frame
from .lines import event_lines, is_wrong
from .summary import summary_table

# Redraws a second. Ten are allowed; four look as alive and keep 50 targets well under 3 % of a core.
RATE = 4

# Lines that wait for the next redraw. A T that makes ssh talk without end fills no memory.
_WAITING_LINES = 1000


class Ticker:
    """Call `beat` every `interval` seconds from `start` to `stop`; `trouble` is what it raised last.

    A thread of our own, and neither rich's nor an asyncio task: rich's dies with a traceback in the middle of the
    table when a drawing fails; a task stands still with the event loop, just when people want to see that something
    is stuck.
    """

    def __init__(self, beat: Callable[[], None], *, interval: float) -> None:
        self.trouble: Exception | None = None
        self._beat = beat
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="borgpull-ui", daemon=True)

    def start(self) -> None:
        """Begin; the first call comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; no call is under way when this returns."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._beat()
            # Whatever is wrong with the screen, the backup is worth more; the next beat tries again.
            except Exception as trouble:
                self.trouble = trouble
            if self._stopped.wait(self._interval):
                return


class Live:
    """Show events as a table on `console`. `verbose` prints what borg and ssh said above it."""

    def __init__(self, console: Console, *, clock: Callable[[], float], verbose: bool = False) -> None:
        self.board = Board()
        self._console = console
        self._clock = clock
        self._verbose = verbose
        self._above: deque[Text] = deque(maxlen=_WAITING_LINES)
        self._size: tuple[int, int] | None = None
        self._drawn: Frame | None = None
        # stdout may be a pipe with data in it, which must not end up on the screen.
        self._table = RichLive(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=True
        )
        self._ticker = Ticker(self.tick, interval=1 / RATE)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(showing(self._console))
            opening.callback(self._table.stop)
            self._table.start()
            opening.callback(self._last_draw)
            self._ticker.start()
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._finish()

    def handle(self, event: Event) -> None:
        """Take in `event`; it is seen at the next redraw."""
        self.board = fold(self.board, event)
        # A target's troubles stand in its row and in the summary; those of the run have no row.
        if isinstance(event, Said) or (not event.target and is_wrong(self.board, event)):
            self._above.extend(event_lines(self.board, event, verbose=self._verbose))

    def tick(self) -> None:
        if not self.board.rows and not self._above:
            return
        columns, rows = size = terminal_size(self._console.file)
        resized = self._size is not None and size != self._size
        self._size = self._console.size = size
        if resized:
            # A narrower terminal has wrapped the old lines, nobody can tell onto how many rows: begin afresh.
            self._console.control(Control.clear(), Control.home())
        above = [self._above.popleft() for _ in range(len(self._above))]
        if above:
            self._console.print(Group(*above))
        # One column and one row stay free: a full last one scrolls on some terminals.
        now_shown = frame(self.board, now=self._clock(), width=columns - 1, height=rows - 1)
        if resized or above or now_shown != self._drawn:
            self._drawn = now_shown
            self._table.update(now_shown, refresh=True)

    def _last_draw(self) -> None:
        self._ticker.stop()
        # Lines that came since the last redraw are still to be read.
        with suppress(Exception):
            self.tick()

    def _finish(self) -> None:
        for part in summary_table(self.board, self._clock(), self._console.width):
            self._console.print(part, soft_wrap=isinstance(part, Text))
        if self._ticker.trouble is not None:
            message_warning(f"the table could not be drawn: {self._ticker.trouble!r}")
