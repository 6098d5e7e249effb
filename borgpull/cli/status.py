"""`borgpull status [NAME...]`: the state of each target's backups by the backup server's ledgers, fit for a monitor."""

from __future__ import annotations

import time
from pathlib import Path

from plumbum import cli

from .. import fleet
from ..config import Config, Target, units
from ..errors import Failure
from ..results import StatusReport, TargetStatus, Trouble
from ..ui import console
from ..ui.status import status_lines
from . import exit_codes
from .base import AnsweringCommand, amount

_MOST_OTHERS = 1000


class Status(AnsweringCommand):
    """It contacts no target, runs no borg and uses no passphrase: it prints what runs have verified.

    The first line sums it up. The exit codes are as monitors read them: the worst one wins, 2 over 3 over 1.
    """

    EXIT_CODES = exit_codes.OF_STATUS
    max_age = cli.SwitchAttr(
        ["--max-age"],
        str,
        default="26h",
        argname="AGE",
        help="how old the last good archive may be, e.g. 90m, 26h, 7d; for one backup a day",
    )

    def main(self, *names: str) -> int:
        max_age = amount("--max-age", units.seconds, str(self.max_age))
        chosen = [*names, *self.only, *self.skip, *(self.shard or "")]

        async def work(directory: Path, config: Config, targets: tuple[Target, ...]) -> int:
            found: tuple[TargetStatus, ...] = ()
            others: tuple[str, ...] = ()
            error = None
            try:
                if targets:
                    found, others = await fleet.status(
                        config, targets, directory=directory, max_age=max_age, emit=self.on_event
                    )
            except Failure as failure:
                error = Trouble(**vars(failure.problem))
            others = () if chosen else others[:_MOST_OTHERS]
            report = StatusReport(at=time.time(), max_age=max_age, targets=found, others=others, error=error)
            console.print_result(report, status_lines(report), as_json=self.json)
            return exit_codes.LEVELS[report.level]

        return self.about_selected(names, work)
