"""A stream for people that cannot fail: when its reader goes away, what would be said is dropped.

A backup must not end because somebody closed a terminal or `head` had enough. Without this, rich keeps what it
could not write for ever, and on a broken pipe it ends the process (rich 15.0, `Console.on_broken_pipe`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO


class Lasting:
    """Write to `stream`, never raising."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write `text`, or drop it."""
        try:
            self._stream.write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Send on what was written, or drop it."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def isatty(self) -> bool:
        """Tell whether this leads to a terminal."""
        with suppress(ValueError):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the file descriptor. Raises OSError or ValueError where there is none."""
        return self._stream.fileno()

    def _give_up(self, error: Exception) -> None:
        # A terminal that another program made non-blocking is only busy: the next redraw may pass.
        if isinstance(error, BlockingIOError):
            return
        give_up(self._stream)


def give_up(stream: TextIO) -> None:
    """Lead `stream` nowhere: what Python holds for it would fail again at exit, and turn the exit code into 120."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
