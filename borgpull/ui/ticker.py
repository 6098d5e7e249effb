"""A thread that calls something at an interval until told to stop: the beat of the screen and of the heartbeat.

A thread of our own, and neither rich's nor an asyncio task: rich's dies with a traceback in the middle of the
table when a drawing fails; a task stands still with the event loop, just when people want to see that something
is stuck. What the call raises is kept, and never reaches the work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Ticker:
    """Call `beat` every `interval` seconds from `start` to `stop`; `trouble` is what it raised last."""

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
