"""`borgpull status [NAME...]`: what the ledgers on B say of the backups of each target, fit for a monitor."""

from __future__ import annotations

import time

from plumbum import cli

from .. import fleet
from ..config import units
from ..errors import Failure
from ..results import StatusReport, TargetStatus, Trouble
from ..ui import console, status
from ..ui.console import problem_lines
from . import exit_codes
from .base import private_directory
from .targets import AnsweringCommand, amount

_MOST_OTHERS = 1000


class Status(AnsweringCommand):
    """No target is contacted, no borg is run and no passphrase used: the answer is what runs have verified.

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
        with private_directory() as directory:
            config = self.config(directory)
            targets = self.selected(config, names)
            if not targets:
                return self._tell(max_age)

            async def ask() -> int:
                try:
                    standings, others = await fleet.status(
                        config, targets, directory=directory, max_age=max_age, on_event=self.on_event
                    )
                except Failure as failure:
                    return self._tell(max_age, failure=failure)
                chosen = [*names, *self.only, *self.skip, *(self.shard or "")]
                return self._tell(max_age, standings, others=() if chosen else others[:_MOST_OTHERS])

            return self.answering(ask)

    def _tell(
        self,
        max_age: int,
        standings: tuple[TargetStatus, ...] = (),
        failure: Failure | None = None,
        others: tuple[str, ...] = (),
    ) -> int:
        now = time.time()
        error = Trouble(**vars(failure.problem)) if failure else None
        found = StatusReport(at=now, max_age=max_age, targets=standings, others=others, error=error)
        if self.json:
            console.data(found.text)
        elif failure:
            console.answer(problem_lines(failure.problem, "UNKNOWN"))
        else:
            console.answer(status.status_lines(standings, now=now, max_age=max_age, others=others))
        return exit_codes.LEVELS[found.level]
