"""`borgpull doctor [NAME...]`: check the controller, the backup server and every target; change nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .. import doctor, fleet
from ..config import Config, Target
from ..errors import Failure, plural
from ..results import Examined, Finding
from ..ui import console
from ..ui.console import message_note, people, repaints
from ..ui.doctor import doctor_lines
from . import exit_codes
from .base import AnsweringCommand, private_directory


class Doctor(AnsweringCommand):
    """It changes nothing, runs no backup and needs no passphrase.

    Each failed check comes with the line to change or the command to type.
    """

    EXIT_CODES = exit_codes.OF_DOCTOR

    def main(self, *names: str) -> int:
        memory: Path | Failure
        with contextlib.ExitStack() as stack:
            try:
                memory = stack.enter_context(private_directory())
            except Failure as failure:
                memory = failure
            here = doctor.check_controller(memory=memory, cache=self.cache_place())
        if isinstance(memory, Failure) or not doctor.can_go_on(here):
            return self._print(here)

        async def work(directory: Path, config: Config, targets: tuple[Target, ...]) -> int:
            if not targets:
                return self._print(here)
            if repaints(people().file):
                message_note(f"checking this machine, the backup server and {plural(len(targets), 'target')} …")
            there = await fleet.examine(config, targets, directory=directory, emit=self.on_event)
            return self._print((*here, *there))

        return self.about_selected(names, work)

    def _print(self, findings: tuple[Finding, ...]) -> int:
        found = Examined(findings=findings)
        console.print_result(found, doctor_lines(findings), as_json=self.json)
        return exit_codes.MARKS[found.outcome]
