"""`borgpull borg NAME -- COMMAND ARG...`: any borg command on this machine against the repository of one target."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace

from plumbum import cli

from ..borg.passthrough import BorgArguments, read_words
from ..errors import BACKUP_SERVER, Failure, TamperedError, program_party
from ..events import Event, Said, Warned
from ..repository import Changes, Passthrough, TargetContext
from ..results import Closed
from ..ui import archives, console
from ..ui.console import message_note, message_warning, problem_lines
from . import exit_codes
from .base import ReadingCommand


class Borg(ReadingCommand):
    """It is typed `borgpull borg NAME -- COMMAND ARG...`.

    The repository is set: `::` names it, `::ARCHIVE` an archive in it, `::latest` the newest good one. What stands
    after `--` is borg's, and so are input, output and terminal: there is no --json but borg's own. Where the config
    came on standard input borg reads from the terminal, or from /dev/null without one. The session may only add; with
    --full-access it may also delete, and the state that it leaves is taken as the truth. A mount ends with Ctrl-C or
    `umount`.
    """

    EXIT_CODES = exit_codes.OF_BORG
    full_access = cli.Flag(
        ["--full-access"],
        help="let borg delete and compact too, and take what it leaves as the truth; stands before `--`",
    )

    @property
    def see(self) -> str:
        return f"what is borg's stands after `--`, as in `borgpull borg NAME -- list --short`; {super().see}"

    def main(self, name: str, command: str, *args: str) -> int:
        given = read_words((command, *args), full_access=self.full_access, only_reads=bool(self.at))
        return self.about(name, lambda context: self._borg(context, given))

    async def _borg(self, context: TargetContext, given: BorgArguments) -> int:
        hand = Passthrough(context, full_access=self.full_access)
        if wrong := await hand.begin():
            self._warn(hand, wrong)
        given = await hand.named(given)
        try:
            status = await self._run(hand, given)
        except (asyncio.CancelledError, Failure):
            # What it did until then is looked at all the same.
            self._tell(context, hand, await hand.end())
            raise
        left = await hand.end()
        self._tell(context, hand, left)
        return exit_codes.borg_code(status, settled=left.settled)

    async def _run(self, hand: Passthrough, given: BorgArguments) -> int:
        if given.mounts:
            message_note(
                "a mount lasts until Ctrl-C is pressed, or `umount` typed; no run of this target works meanwhile"
            )
        ours = contextlib.nullcontext() if not _shares_terminal() else self.interrupt.left_to_others()
        with ours, self._keyboard() as stdin:
            return await hand.run(given, stdin=stdin)

    @contextlib.contextmanager
    def _keyboard(self) -> Iterator[int]:
        """Yield what borg reads from: our standard input; where that had the config the terminal, or /dev/null."""
        if sys.stdin is not None and not self.is_fed:
            yield sys.stdin.fileno()
            return
        try:
            descriptor = os.open("/dev/tty", os.O_RDWR)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def _warn(hand: Passthrough, wrong: Failure) -> None:
        if isinstance(wrong, TamperedError):
            closed = replace(wrong.problem, hint=hand.recovery_hint)
            console.message_lines(archives.closed_lines(Closed(**vars(closed))))
        else:
            console.message_lines(problem_lines(wrong.problem, "warning"))

    @staticmethod
    def _tell(context: TargetContext, hand: Passthrough, left: Changes) -> None:
        if not left.settled:
            text = f"{context.party}: the next run will close its repository: {'; '.join(left.changes)}"
            message_warning(text, f"{hand.recovery_hint}; what you mean to change takes --full-access")
            return
        for change in left.changes:
            message_note(f"{context.party}: {change}")
        if left.changes:
            message_note(f"{context.party}: that is the verified state now")

    def on_event(self, event: Event) -> None:
        """Take in an event: what borg says on B, its client does not."""
        if isinstance(event, Warned):
            message_warning(event.text, event.hint)
        elif isinstance(event, Said) and event.party == program_party("borg", BACKUP_SERVER):
            message_note(f"{event.party}: {event.text}")
        else:
            super().on_event(event)


def _shares_terminal() -> bool:
    """Tell whether we are what a terminal runs now: Ctrl-C then reaches all that has no session of its own."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
