"""`borgpull key NAME`: export the repository key as it was last verified, in case it is replaced."""

from __future__ import annotations

from pathlib import Path

from plumbum import cli

from .. import repository
from ..errors import CONTROLLER, Failure, UsageError
from ..repository import TargetContext
from ..ui.console import data
from .base import OneTargetCommand
from .exit_codes import DONE


class Key(OneTargetCommand):
    """It is encrypted with the passphrase.

    `borg key import` puts the file form back; the paper form can be typed in with `borg key import --paper`.
    """

    paper = cli.Flag(["--paper"], help="print the paper form, with checksums in each line")
    output = cli.SwitchAttr(["-o", "--output"], str, argname="FILE", help="write to a new FILE instead of stdout")

    def main(self, name: str) -> int:
        return self.about(name, self._export)

    async def _export(self, context: TargetContext) -> int:
        text = await repository.verified_key(context, paper=self.paper)
        if not self.output:
            data(text)
            return DONE
        try:
            with Path(self.output).open("x", encoding="utf-8") as file:  # noqa: ASYNC230 - nothing else runs
                file.write(text)
        except FileExistsError:
            raise UsageError(f"{self.output} already exists", hint="name a new file") from None
        except OSError as error:
            raise Failure(CONTROLLER, f"{self.output}: {error.strerror}", hint="name another file") from None
        return DONE
