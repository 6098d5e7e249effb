"""`borgpull keep NAME ARCHIVE`: take an archive back that its run set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import note
from .exits import DONE
from .targets import OneTargetCommand

if TYPE_CHECKING:
    from ..job import Subject


class Keep(OneTargetCommand):
    """Let an ARCHIVE of the target NAME count as good again that its run set aside, or died before it could judge.

    Such an archive takes no place of the rules in PruneSetting, is not `latest`, and is removed after 30 days or when
    there are more than five. `borgpull list NAME` shows them, and why.
    """

    PROGNAME = "borgpull keep"

    def main(self, name: str, archive: str) -> int:
        return self.about(name, lambda subject: self._keep(subject, archive))

    async def _keep(self, subject: Subject, archive: str) -> int:
        from .. import job  # noqa: PLC0415 - `--help` shall answer at once

        note(f"{subject.party}: {await job.keep(subject, archive)}")
        return DONE
