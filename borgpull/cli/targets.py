"""Commands about targets: about all or those chosen, or about one of them, connected to B."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from pathlib import Path

from plumbum import cli

from .. import fleet, repository
from ..config import Config, Target
from ..errors import Failure, UsageError
from ..events import Event, Said
from ..fleet import Interrupt, Selection
from ..repository import TargetContext, VerifiedArchives
from ..ui import console
from ..ui.archives import closed_lines
from ..ui.console import message_note
from ..untrusted import clean
from . import prompts
from .base import ConfiguredCommand, awaited, private_directory
from .exit_codes import tell


class SelectingCommand(ConfiguredCommand):
    """A command that is about all targets, or about those that its options choose."""

    only = cli.SwitchAttr(
        ["--only"], str, list=True, argname="NAME", help="only targets of this name or glob, e.g. 'web*'"
    )
    skip = cli.SwitchAttr(["--skip"], str, list=True, argname="NAME", help="no targets of this name or glob")
    shard = cli.SwitchAttr(
        ["--shard"],
        str,
        argname="I/N",
        help="only the targets of shard I of N, counted from 0: each target belongs to exactly one of them",
    )

    def selection(self, names: tuple[str, ...] = ()) -> Selection:
        """Return what the options choose; `names` are more words of `only`. Raises UsageError."""
        shard = fleet.read_shard(self.shard) if self.shard is not None else None
        return fleet.Selection(only=(*self.only, *names), skip=tuple(self.skip), shard=shard)

    def selected(self, config: Config, names: tuple[str, ...] = (), *, quiet: bool = False) -> tuple[Target, ...]:
        """Return the chosen targets, and say so (unless `quiet`) when the shard has none. Raises UsageError."""
        targets = self.selection(names).targets(config)
        if not targets and not quiet:
            message_note(f"shard {self.shard} has none of these targets: there is nothing to do")
        return targets


class AnsweringCommand(SelectingCommand):
    """A command that takes the NAMEs of targets, as --only does, answers on stdout, and changes nothing."""

    json = cli.Flag(["--json"], help="print the answer as JSON")
    verbose = cli.Flag(["-v", "--verbose"], help="print what ssh said, on stderr")

    def answering(self, work: Callable[[], Coroutine[None, None, int]]) -> int:
        """Do `work`, and return the exit code; a signal ends it calmly. Raises Failure as the work does."""
        return awaited(_until_interrupted(work))

    def on_event(self, party: str, line: str) -> None:
        if self.verbose:
            message_note(f"{party}: {line}")


async def _until_interrupted(work: Callable[[], Coroutine[None, None, int]]) -> int:
    interrupt = fleet.Interrupt()
    interrupt.attach()
    try:
        return await work()
    except asyncio.CancelledError:
        return 128 + (interrupt.number or 0)


def amount(option: str, rule: Callable[[str], int], text: str) -> int:
    """Return what an option says, by the rule of the config for that. Raises UsageError."""
    try:
        return rule(text)
    except ValueError as problem:
        raise UsageError(f"{option} {problem}") from None


def point_in_time(option: str, text: str) -> float:
    """Return a time that an option says, in unix seconds; without a zone it is a local one. Raises UsageError."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        hint = f"write it as in `{option} 2026-12-01T06:00`, or `{option} 2026-12-01T06:00:00Z` for UTC"
        raise UsageError(f"{option} {clean(text)}: is no time", hint=hint) from None


class OneTargetCommand(ConfiguredCommand):
    """A command that takes the NAME of a target. `interrupt` is there once its work has begun."""

    interrupt: Interrupt
    verbose = cli.Flag(["-v", "--verbose"], help="print what borg and ssh said")

    def about(self, name: str, work: Callable[[TargetContext], Awaitable[int]], *, alone: bool = True) -> int:
        """Connect to B and do `work` on the target called `name`; return the exit code. Raises Failure.

        `alone` keeps runs away from its repository meanwhile: for work that changes it, or needs it to stay as it is.
        """
        return self.about_each((name,), work, alone=alone)

    def about_each(
        self, names: tuple[str, ...], work: Callable[[TargetContext], Awaitable[int]], *, alone: bool = True
    ) -> int:
        """Do `work` on each of these targets, one after the other; return the worst exit code.

        Raises Failure; that of one of several targets is told, and the others have their turn.
        """
        with private_directory() as directory:
            return awaited(self._connected(names, work, directory, alone=alone))

    async def _connected(
        self, names: tuple[str, ...], work: Callable[[TargetContext], Awaitable[int]], directory: Path, *, alone: bool
    ) -> int:
        config = self.config(directory)
        targets = self.targets(config, names)
        self.interrupt = fleet.Interrupt()
        self.interrupt.attach()
        try:
            async with fleet.connected(
                config, directory=directory, cache=self.cache(), emit=self.on_event
            ) as run_context:
                worst = 0
                for target in targets:
                    context = repository.TargetContext(run_context, target)
                    try:
                        async with context.vault.locked() if alone else contextlib.nullcontext():
                            worst = max(worst, await work(context))
                    except Failure as failure:
                        if len(targets) == 1:
                            raise
                        worst = max(worst, tell(failure))
                return worst
        except asyncio.CancelledError:
            return 128 + (self.interrupt.number or 0)

    def targets(self, config: Config, names: tuple[str, ...]) -> Sequence[Target]:
        """Return the targets of these names. Raises UsageError."""
        return [fleet.target_named(config, name) for name in names]

    @staticmethod
    def warn_when_closed(archives: VerifiedArchives) -> None:
        if archives.closed:
            console.message_lines(closed_lines(archives.closed))

    def on_event(self, event: Event) -> None:
        """Take in an event; what borg and ssh said is only for those who ask for it."""
        if self.verbose and isinstance(event, Said):
            message_note(f"{event.party}: {event.text}")


class ReadingCommand(OneTargetCommand):
    """A command that reads the repository of the target NAME, as it is or as it was."""

    at = cli.SwitchAttr(
        ["--at"],
        str,
        argname="TIME",
        help="read the state from before the first prune or compaction at this time or later, as far as it is kept: "
        "see `borgpull rollback --list`",
    )

    def about(self, name: str, work: Callable[[TargetContext], Awaitable[int]], *, alone: bool = True) -> int:
        if not self.at:
            return super().about(name, work, alone=alone)
        moment = point_in_time("--at", str(self.at))

        async def work_at(context: TargetContext) -> int:
            kept = await repository.state_at(context, moment)
            message_note(f"{context.party}: this is its state of {kept.kept}")
            return await work(kept)

        return super().about(name, work_at, alone=alone)


class DecidingCommand(OneTargetCommand):
    """A command that says what it will do and asks first."""

    yes = cli.Flag(["-y", "--yes"], help="do it without asking")

    async def confirm(self, question: str) -> bool:
        """Ask on the terminal, for standard input may hold the config. Raises UsageError without a terminal."""
        if self.yes:
            return True
        return await prompts.confirm(question, hint="add --yes when you know what it will do")
