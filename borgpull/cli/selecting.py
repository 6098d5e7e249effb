"""Commands about some of the targets: the options that choose them, the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbum import cli

from .command import ConfiguredCommand

if TYPE_CHECKING:
    from ..config import Config, Target
    from ..fleet import Selection


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
        from .. import fleet  # noqa: PLC0415 - `--help` shall answer at once

        shard = fleet.read_shard(self.shard) if self.shard is not None else None
        return fleet.Selection(only=(*self.only, *names), skip=tuple(self.skip), shard=shard)

    def selected(self, config: Config, names: tuple[str, ...] = (), *, quiet: bool = False) -> tuple[Target, ...]:
        """Return the chosen targets, and say so (unless `quiet`) when the shard has none. Raises UsageError."""
        from ..ui.console import message_note  # noqa: PLC0415

        targets = self.selection(names).targets(config)
        if not targets and not quiet:
            message_note(f"shard {self.shard} has none of these targets: there is nothing to do")
        return targets
