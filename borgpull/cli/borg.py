"""`borgpull borg NAME -- COMMAND ARG...`: any borg command on this machine against the repository of one target."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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
    """Type it as `borgpull borg NAME -- COMMAND ARG...`.

    The repository is set: `::` names it, `::ARCHIVE` an archive in it, `::latest` the newest good one. Everything after
    `--` is borg's, and so are input, output and terminal: there is no --json but borg's own. If the config came on
    standard input, borg reads from the terminal, or from /dev/null without one. The session can only add; with
    --full-access it can also delete, and borgpull accepts the state that it leaves. A mount ends with Ctrl-C or
    `umount`.
    """

    EXIT_CODES = exit_codes.OF_BORG
    full_access = cli.Flag(
        ["--full-access"],
        help="let borg delete and compact too, and accept the state that it leaves; give it before `--`",
    )

    @property
    def see(self) -> str:
        return f"borg's own options come after `--`, as in `borgpull borg NAME -- list --short`; {super().see}"

    def main(self, name: str, command: str, *args: str) -> int:
        given = read_words((command, *args), full_access=self.full_access, only_reads=bool(self.at))
        return self.about(name, lambda context: self._borg(context, given))

    async def _borg(self, context: TargetContext, given: BorgArguments) -> int:
        passthrough = Passthrough(context, full_access=self.full_access)
        if wrong := await passthrough.begin():
            self._warn(passthrough, wrong)
        given = await passthrough.named(given)
        try:
            status = await self._run(passthrough, given)
        except (asyncio.CancelledError, Failure):
            # What it did until then is checked all the same.
            self._print_changes(context, passthrough, await passthrough.end())
            raise
        left = await passthrough.end()
        self._print_changes(context, passthrough, left)
        return exit_codes.borg_code(status, settled=left.settled)

    async def _run(self, passthrough: Passthrough, given: BorgArguments) -> int:
        if given.mounts:
            message_note("the mount lasts until Ctrl-C or `umount`; runs cannot back up this target meanwhile")
        ours = self.interrupt.left_to_others() if _shares_terminal() else contextlib.nullcontext()
        with ours, self._keyboard() as stdin:
            return await passthrough.run(given, stdin=stdin)

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
    def _warn(passthrough: Passthrough, wrong: Failure) -> None:
        if isinstance(wrong, TamperedError):
            closed = replace(wrong.problem, hint=passthrough.recovery_hint)
            console.message_lines(archives.closed_lines(Closed(**vars(closed))))
        else:
            console.message_lines(problem_lines(wrong.problem, "warning"))

    @staticmethod
    def _print_changes(context: TargetContext, passthrough: Passthrough, left: Changes) -> None:
        if not left.settled:
            text = f"{context.party}: the next run will close its repository: {'; '.join(left.changes)}"
            message_warning(text, f"{passthrough.recovery_hint}; to change it on purpose, use --full-access")
            return
        for change in left.changes:
            message_note(f"{context.party}: {change}")
        if left.changes:
            message_note(f"{context.party}: this is the verified state now")

    def on_event(self, event: Event) -> None:
        """Print an event; what borg says on the backup server too, for its client does not."""
        if isinstance(event, Warned):
            message_warning(event.text, event.hint)
        elif isinstance(event, Said) and event.party == program_party("borg", BACKUP_SERVER):
            message_note(f"{event.party}: {event.text}")
        else:
            super().on_event(event)


def _shares_terminal() -> bool:
    """Tell whether we are in the foreground of a terminal: Ctrl-C then reaches all that has no session of its own."""
    with contextlib.suppress(OSError), Path("/dev/tty").open("rb") as terminal:
        return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    return False
