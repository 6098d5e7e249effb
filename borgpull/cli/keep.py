"""`borgpull keep NAME ARCHIVE`: take an archive back that its run set aside."""

from __future__ import annotations

from .. import job
from ..job import Subject
from ..ui.console import message_note
from .exits import DONE
from .targets import OneTargetCommand


class Keep(OneTargetCommand):
    """It is for one that its run set aside, or died before it could judge.

    Such an archive takes no place of the rules in PruneSetting, is not `latest`, and is removed after 30 days or when
    there are more than five. `borgpull list NAME` shows them, and why.
    """

    def main(self, name: str, archive: str) -> int:
        return self.about(name, lambda subject: self._keep(subject, archive))

    async def _keep(self, subject: Subject, archive: str) -> int:
        message_note(f"{subject.party}: {await job.keep(subject, archive)}")
        return DONE
