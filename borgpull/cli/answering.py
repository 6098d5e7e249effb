"""Commands that answer a question about the targets named, or about all of them: what `doctor` and `status` share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from plumbum import cli

from .command import awaited
from .selecting import SelectingCommand


class AnsweringCommand(SelectingCommand):
    """A command that takes the NAMEs of targets, as --only does, answers on stdout, and changes nothing."""

    json = cli.Flag(["--json"], help="print the answer as JSON")
    verbose = cli.Flag(["-v", "--verbose"], help="print what ssh said, on stderr")

    def answering(self, work: Callable[[], Coroutine[None, None, int]]) -> int:
        """Do `work`, and return the exit code; a signal ends it calmly. Raises Failure as the work does."""
        return awaited(_until_interrupted(work))

    def heard(self, party: str, line: str) -> None:
        """Take in a line that somebody's ssh said."""
        if self.verbose:
            from ..ui.console import message_note  # noqa: PLC0415

            message_note(f"{party}: {line}")


async def _until_interrupted(work: Callable[[], Coroutine[None, None, int]]) -> int:
    import asyncio  # noqa: PLC0415 - `--help` shall answer at once

    from .. import fleet  # noqa: PLC0415

    interrupt = fleet.Interrupt()
    interrupt.attach()
    try:
        return await work()
    except asyncio.CancelledError:
        return 128 + (interrupt.number or 0)
