"""Streams: what commands on T print, each in an archive of its own. Here is what such a command says, and how it ended.

One that fails leaves no archive: half a dump is no backup. What it prints on its standard error is hostile text.
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

# Borg 1.2.4 and 1.4.5, of the shell that it started; a signal that killed it is a negative status.
_EXITED = re.compile(r"Command '[^']*' exited with status (-?[0-9]{1,3})")
_NO_STATUS = -1
_HINT = "its output is in the report and, with -v, above; try the command there by hand"


class StreamFailure(Failure):
    """What the command of one stream is at fault for: the streams after it are read all the same."""


class Reading:
    """One stream while it is read; `number` is its place in the config. Set `ended` when its session has ended."""

    def __init__(self, context: TargetContext, stream: Stream, number: int) -> None:
        self.ended: BorgResult | None = None
        self._context = context
        self.stream = stream
        self._place = f"Streams[{number}]"
        self._said = process.Tail()
        self._others = context.events.output_handler(program_party("borg", context.party), Step.STREAM)
        self._printed = False

    def on_output(self, line: Line) -> None:
        """Take in a line of T's session: what the command said stays here, all else goes on to those who watch."""
        if isinstance(line, Message) and line.level == "PLAIN":
            self._said.add(line.text)
            return
        # Borg tells of the first chunk at once, and of nothing with no size (1.2.4, 1.4.5).
        self._printed = self._printed or (isinstance(line, Created) and line.original_size > 0)
        self._others(line)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Tell how the command ended and what it said last, however the context ends."""
        try:
            yield
        finally:
            exited = self._exited()
            if exited is None:
                exited = 0 if self.ended is not None and self.ended.status in (0, 1) else _NO_STATUS
            output = tuple(self._said.text.splitlines())
            self._context.emit(
                CommandFinished(
                    target=self._context.target.name, command=self._place, status=max(_NO_STATUS, exited), output=output
                )
            )

    def _exited(self) -> int | None:
        """Return the exit status of a command that failed, below 0 for a signal; None when it did not fail."""
        errors = self.ended.said.errors if self.ended is not None else []
        said = [found for each in errors if (found := _EXITED.search(each.text))]
        return int(said[0][1]) if said else None

    def failure(self) -> StreamFailure | None:
        """Return how the command failed; None when it did not, or when it is not the command that failed."""
        status = self._exited()
        if status is None:
            return None
        how = f"exit {status}" if status >= 0 else f"killed by signal {-status}"
        last = self._said.text.splitlines()[-1:]
        cause = ": ".join([f"the command of the stream {self.stream.name} failed ({how})", *last])
        return StreamFailure(self._context.party, cause, hint=f"no archive was made of it; {_HINT}")

    def nothing(self) -> StreamFailure | None:
        """Return that the command printed nothing, though it did not fail; None when it did print."""
        if self._printed:
            return None
        return StreamFailure(
            self._context.party,
            f"the command of the stream {self.stream.name} printed nothing: its archive holds an empty file",
            hint=f"what is to be backed up has to come on its standard output; {_HINT}",
        )
