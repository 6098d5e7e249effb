"""`borgpull drill [NAME...]`: a restore test for the schedule: some files of the latest archive are read back."""

from __future__ import annotations

import secrets

from plumbum import cli

from .. import fleet
from ..config import units
from ..events import Event, Said
from ..results import Drills
from ..ui import console, restore
from .base import private_directory
from .exit_codes import DONE, FAILED, OF_DRILL, TAMPERED
from .targets import AnsweringCommand, amount

_SEEDS = 1 << 32
_MOST_FILES = 1000


class Drill(AnsweringCommand):
    """A seed picks them; borg on this machine reads and decrypts them, and writes nothing.

    No target is contacted, and nothing is changed. It is a sample, for each week: `borg check --verify-data` reads
    everything. Of several exit codes the worst one wins: 3 over 2.
    """

    EXIT_CODES = OF_DRILL
    seed = cli.SwitchAttr(
        ["--seed"], cli.Range(0, _SEEDS), argname="N", help="pick the same files as a drill that told this seed"
    )
    size = cli.SwitchAttr(["--size"], str, default="64M", argname="SIZE", help="how many bytes at most for each target")
    files = cli.SwitchAttr(
        ["--files"], cli.Range(1, _MOST_FILES), default=20, argname="N", help="how many files at most for each target"
    )

    def main(self, *names: str) -> int:
        size = amount("--size", units.size, str(self.size))
        seed = secrets.randbelow(_SEEDS) if self.seed is None else self.seed
        with private_directory() as directory:
            config = self.config(directory)
            targets = self.selected(config, names)
            cache = self.cache()

            async def work() -> int:
                done = await fleet.drill(
                    config,
                    targets,
                    directory=directory,
                    cache=cache,
                    emit=self._take,
                    seed=seed,
                    size=size,
                    files=self.files,
                )
                if self.json:
                    console.data(Drills(seed=seed, targets=done).text)
                else:
                    console.answer(restore.drilled_lines(done, seed=seed))
                return max(TAMPERED if each.closed else DONE if each.good else FAILED for each in done)

            return self.answering(work) if targets else DONE

    def _take(self, event: Event) -> None:
        if isinstance(event, Said):
            self.on_event(event.party, event.text)
