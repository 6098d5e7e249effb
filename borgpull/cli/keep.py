"""`borgpull keep NAME ARCHIVE`: take an archive back that its run set aside."""

from __future__ import annotations

from .. import backup
from ..repository import TargetContext
from ..ui.console import message_note
from .base import OneTargetCommand
from .exit_codes import DONE


class Keep(OneTargetCommand):
    """It is for one that its run set aside, or died before it could judge.

    Such an archive takes no place of the rules in PruneSetting, is not `latest`, and is removed after 30 days or when
    there are more than five. `borgpull list NAME` shows them, and why.
    """

    def main(self, name: str, archive: str) -> int:
        return self.about(name, lambda context: self._keep(context, archive))

    async def _keep(self, context: TargetContext, archive: str) -> int:
        message_note(f"{context.party}: {await backup.keep(context, archive)}")
        return DONE
