"""Streams: what commands on the target print, each in an archive of its own. Here: what one said, and how it ended.

One that fails leaves no archive: half a dump is no backup. What it prints on its standard error is untrusted text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .. import process
from ..borg.output import Created, Line, Message
from ..config import Stream
from ..errors import Failure, program_party
from ..events import CommandFinished, Step
from ..repository.context import TargetContext
from ..transport import BorgResult
from ..untrusted import last_telling

# Borg 1.2.4 and 1.4.5, of the shell that it started; a signal that killed it is a negative status.
_EXITED = re.compile(r"Command '[^']*' exited with status (-?[0-9]{1,3})")
NO_STATUS = -1
HINT = "its output is in the report and, with -v, above; try the command there by hand"


class StreamFailure(Failure):
    """The command of one stream failed: the streams after it are read all the same."""


class Reading:
    """A stream while borg reads it; `number` is its index in the config. Set `ended` when its session has ended."""

    def __init__(self, context: TargetContext, stream: Stream, number: int) -> None:
        self.ended: BorgResult | None = None
        self._context = context
        self.stream = stream
        self._name = f"Streams[{number}]"
        self._said = process.Tail()
        self._pass_on = context.events.output_handler(program_party("borg", context.party), Step.STREAM)
        self._printed = False

    def on_output(self, line: Line) -> None:
        """Keep what the command said of the output of the session, and pass on the rest as events."""
        if isinstance(line, Message) and line.level == "PLAIN":
            self._said.add(line.text)
            return
        # Borg reports the first chunk at once, and an empty file with size 0 (1.2.4, 1.4.5).
        self._printed = self._printed or (isinstance(line, Created) and line.original_size > 0)
        self._pass_on(line)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Emit how the command ended and its last output, however the context ends."""
        try:
            yield
        finally:
            exited = self._exited()
            if exited is None:
                exited = 0 if self.ended is not None and self.ended.status in (0, 1) else NO_STATUS
            output = tuple(self._said.text.splitlines())
            self._context.emit(
                CommandFinished(
                    target=self._context.target.name, command=self._name, status=max(NO_STATUS, exited), output=output
                )
            )

    def _exited(self) -> int | None:
        """Return the exit status of a command that failed, below 0 for a signal; None when it did not fail."""
        errors = self.ended.said.errors if self.ended is not None else []
        said = [found for each in errors if (found := _EXITED.search(each.text))]
        return int(said[0][1]) if said else None

    def failure(self) -> StreamFailure | None:
        """Return how the command failed; None when it did not, even if the session failed."""
        status = self._exited()
        if status is None:
            return None
        how = f"exit {status}" if status >= 0 else f"killed by signal {-status}"
        last = last_telling(self._said.text.splitlines())
        cause = ": ".join([f"the command of the stream {self.stream.name} failed ({how})", *last])
        return StreamFailure(self._context.party, cause, hint=f"no archive was made of it; {HINT}")

    def nothing(self) -> StreamFailure | None:
        """Return a failure when the command printed nothing, though it did not fail."""
        if self._printed:
            return None
        cause = f"the command of the stream {self.stream.name} printed nothing: its archive holds an empty file"
        return StreamFailure(
            self._context.party, cause, hint=f"it has to print the backup on its standard output; {HINT}"
        )
