"""`borgpull drill [NAME...]`: a restore test for the schedule: some files of the latest archive are read back."""

from __future__ import annotations

import secrets
from pathlib import Path

from plumbum import cli

from .. import fleet
from ..config import Config, Target, units
from ..results import Drills
from ..ui import console
from ..ui.archives import drilled_lines
from .base import AnsweringCommand, amount, whole_number
from .exit_codes import DONE, FAILED, OF_DRILL, TAMPERED

_SEEDS = 1 << 32
_MOST_FILES = 1000


class Drill(AnsweringCommand):
    """A seed picks them; borg on this machine reads and decrypts them, and writes nothing.

    No target is contacted, and nothing is changed. It is a sample, for each week: `borg check --verify-data` reads
    everything. Of several exit codes the worst one wins: 3 over 2.
    """

    EXIT_CODES = OF_DRILL
    seed = cli.SwitchAttr(
        ["--seed"],
        whole_number("--seed", 0, _SEEDS),
        argname="N",
        help="pick the same files as the drill that printed this seed",
    )
    size = cli.SwitchAttr(["--size"], str, default="64M", argname="SIZE", help="how many bytes per target at most")
    files = cli.SwitchAttr(
        ["--files"],
        whole_number("--files", 1, _MOST_FILES),
        default=20,
        argname="N",
        help="how many files per target at most",
    )

    def main(self, *names: str) -> int:
        size = amount("--size", units.size, str(self.size))
        seed = secrets.randbelow(_SEEDS) if self.seed is None else self.seed

        async def work(directory: Path, config: Config, targets: tuple[Target, ...]) -> int:
            if not targets:
                return DONE
            cache, sample = self.cache(), {"seed": seed, "size": size, "files": self.files}
            async with fleet.connected(config, directory=directory, cache=cache, emit=self.on_event) as run_context:
                done = tuple([await fleet.drill(run_context, target, **sample) for target in targets])
            report = Drills(seed=seed, targets=done)
            console.print_result(report, drilled_lines(report), as_json=self.json)
            return max(TAMPERED if each.closed else DONE if each.good else FAILED for each in done)

        return self.about_selected(names, work)
