"""Commands about one target: connected to B, with its repository and ledger at hand, and a question to answer."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from plumbum import cli

from . import asking
from .command import ConfiguredCommand, awaited

if TYPE_CHECKING:
    from ..events import Event
    from ..fleet import Interrupt
    from ..job import Shelf, Subject


class OneTargetCommand(ConfiguredCommand):
    """A command that takes the NAME of a target. `interrupt` is there once its work has begun."""

    interrupt: Interrupt
    verbose = cli.Flag(["-v", "--verbose"], help="print what borg and ssh said")

    def about(self, name: str, work: Callable[[Subject], Awaitable[int]], *, alone: bool = True) -> int:
        """Connect to B and do `work` on the target called `name`; return the exit code. Raises Failure.

        `alone` keeps runs away from its repository meanwhile: for work that changes it, or needs it to stay as it is.
        """
        from .. import rundir  # noqa: PLC0415 - `--help` shall answer at once

        rundir.harden()
        with rundir.private_directory() as directory:
            return awaited(self._connected(name, work, directory, alone=alone))

    async def _connected(
        self, name: str, work: Callable[[Subject], Awaitable[int]], directory: Path, *, alone: bool
    ) -> int:
        import asyncio  # noqa: PLC0415

        from .. import fleet, job  # noqa: PLC0415

        config = self.config(directory)
        target = fleet.target_named(config, name)
        self.interrupt = fleet.Interrupt()
        self.interrupt.attach()
        try:
            async with fleet.connected(config, directory=directory, cache=self.cache(), emit=self.heard) as plan:
                subject = job.Subject(plan, target)
                async with subject.vault.held() if alone else contextlib.nullcontext():
                    return await work(subject)
        except asyncio.CancelledError:
            return 128 + (self.interrupt.number or 0)

    @staticmethod
    def warn_when_closed(shelf: Shelf) -> None:
        """Say so loudly when archives are read from a closed repository."""
        from ..ui import archives, console  # noqa: PLC0415

        if shelf.closed:
            console.message_lines(archives.closed_lines(shelf.target, shelf.closed))

    def heard(self, event: Event) -> None:
        """Take in an event; what borg and ssh said is only for those who ask for it."""
        from ..events import Said  # noqa: PLC0415
        from ..ui.console import message_note  # noqa: PLC0415

        if self.verbose and isinstance(event, Said):
            message_note(f"{event.party}: {event.text}")


class DecidingCommand(OneTargetCommand):
    """A command that says what it will do and asks first."""

    yes = cli.Flag(["-y", "--yes"], help="do it without asking")

    def agreed(self, question: str) -> bool:
        """Ask on the terminal, for standard input may hold the config. Raises UsageError without a terminal."""
        if self.yes:
            return True
        return asking.agreed(question, otherwise="add --yes when you know what it will do")
