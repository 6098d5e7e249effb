"""`borgpull doctor [NAME...]`: look at C, B and every T, change nothing, say what to mend and how."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .. import doctor, fleet
from ..errors import Failure
from ..results import Examined, Finding
from ..ui import console
from ..ui.console import message_note, people, repaints
from ..ui.doctor import doctor_lines
from ..ui.format import plural
from . import exit_codes
from .base import private_directory
from .targets import AnsweringCommand


class Doctor(AnsweringCommand):
    """It changes nothing, runs no backup and needs no passphrase.

    Each cross comes with the line to change or the command to type.
    """

    EXIT_CODES = exit_codes.OF_DOCTOR

    def main(self, *names: str) -> int:
        with contextlib.ExitStack() as stack:
            memory: Path | Failure
            try:
                memory = stack.enter_context(private_directory())
            except Failure as failure:
                memory = failure
            here = doctor.check_controller(memory=memory, cache=self.cache_place())
            if isinstance(memory, Failure) or not doctor.can_go_on(here):
                return self._tell(here)
            return self._examine(memory, here, names)

    def _examine(self, directory: Path, here: tuple[Finding, ...], names: tuple[str, ...]) -> int:
        config = self.config(directory)
        targets = self.selected(config, names)
        if not targets:
            return self._tell(here)
        if repaints(people().file):
            message_note(f"looking at this machine, the backup server and {plural(len(targets), 'target')} …")

        async def look() -> int:
            there = await fleet.examine(config, targets, directory=directory, on_event=self.on_event)
            return self._tell((*here, *there))

        return self.answering(look)

    def _tell(self, findings: tuple[Finding, ...]) -> int:
        found = Examined(findings=findings)
        if self.json:
            console.data(found.text)
        else:
            console.answer(doctor_lines(findings))
        return exit_codes.MARKS[found.outcome]
