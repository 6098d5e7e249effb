"""`borgpull keep NAME ARCHIVE`: count an archive as good that its run set aside."""

from __future__ import annotations

from .. import backup
from ..repository import TargetContext
from ..ui.console import message_note
from .base import OneTargetCommand
from .exit_codes import DONE


class Keep(OneTargetCommand):
    """It is for an archive that its run set aside, or could not judge before it died.

    Such an archive fills no slot of PruneSetting, is not `latest`, and is removed after 30 days, or when there are more
    than five. `borgpull list NAME` shows them, and why they were set aside.
    """

    def main(self, name: str, archive: str) -> int:
        return self.about(name, lambda context: self._keep(context, archive))

    async def _keep(self, context: TargetContext, archive: str) -> int:
        message_note(f"{context.party}: {await backup.keep(context, archive)}")
        return DONE
