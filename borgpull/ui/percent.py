"""How far one long piece of work is: a line that repaints on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from borgpull.events import Event, PercentProgress, Step
from borgpull.ui.console import people, repaints, terminal_size
from borgpull.ui.figures import percent, shown, size

_CLEAR = "\r\x1b[2K"
_REPAINT_SECONDS = 0.2
_LINE_SECONDS = 60.0


class Percentage:
    """The progress of an extraction, of events alone, on stderr. `end` before anything else is printed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = people()
        self._repaints = repaints(self._console.file)
        self._clock = clock
        self._next = clock() + (0.0 if self._repaints else _LINE_SECONDS)
        self._shows = False

    def handle(self, event: Event) -> None:
        """Take in an event."""
        if not isinstance(event, PercentProgress) or event.step is not Step.EXTRACT or self._clock() < self._next:
            return
        done = percent(event.current / event.total, estimated=False)
        text = f"{event.target}: extracting {done}, {size(event.current)} of {size(event.total)}"
        if self._repaints:
            self._next = self._clock() + _REPAINT_SECONDS
            columns, _ = terminal_size(self._console.file)
            self._console.file.write(_CLEAR + shown(text)[: columns - 1])
            self._console.file.flush()
            self._shows = True
        else:
            self._next = self._clock() + _LINE_SECONDS
            self._console.print(shown(text))

    def end(self) -> None:
        """Leave no half line behind."""
        if self._shows:
            self._console.file.write(_CLEAR)
            self._console.file.flush()
            self._shows = False
