"""`borgpull expect NAME...`: announce a planned change, so that it causes a warning and no hold."""

from __future__ import annotations

import time

from plumbum import cli

from .. import repository
from ..config import units
from ..errors import UsageError
from ..repository import TargetContext
from ..ui.console import message_note
from .base import OneTargetCommand, point_in_time
from .exit_codes import DONE

_HINT = "write how long, such as `--until 12h`, or a time, such as `--until 2026-12-01T06:00`"


class Expect(OneTargetCommand):
    """Until then an odd archive causes a warning, and its target is not held."""

    until = cli.SwitchAttr(
        ["--until"], str, argname="TIME", mandatory=True, help="its end: a duration such as 12h, or a local time"
    )
    why = cli.SwitchAttr(["--why"], str, argname="TEXT", default="", help="what is planned, for the history")

    def main(self, name: str, *names: str) -> int:
        until = _moment(str(self.until))
        return self.about_each((name, *names), lambda context: self._expect(context, until))

    async def _expect(self, context: TargetContext, until: float) -> int:
        await repository.expect(context, until=until, why=str(self.why))
        over = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(until))
        message_note(f"{context.party}: until {over} an odd archive causes a warning and no hold")
        return DONE


def _moment(text: str) -> float:
    """Return the end of the change, in unix seconds. Raises UsageError."""
    now = time.time()
    try:
        until = now + units.seconds(text)
    except ValueError:
        until = point_in_time("--until", text, _HINT)
    if not now < until < now + 366 * 86400:
        raise UsageError(f"--until {text}: in the past, or more than a year ahead", hint=_HINT)
    return until
