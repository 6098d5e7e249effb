"""`borgpull restore NAME [ARCHIVE] [PATH...]`: put files of an archive into a folder here, or back onto the target."""

from __future__ import annotations

from pathlib import Path

from plumbum import cli

from .. import repository, restore
from ..errors import UsageError
from ..events import Event
from ..repository import TargetContext
from ..restore import Wanted
from ..ui import archives as ui
from ..ui import console
from .base import ReadingCommand
from .exit_codes import DONE, FAILED, WARNINGS


class Restore(ReadingCommand):
    """ARCHIVE is a name, an id, or `latest`, as without one: the newest good one; `@NAME` is that of a stream. A
    PATH stands for all below it; borg's patterns work too, see `borgpull list`. `--to DIR` extracts here, below DIR.
    `--onto-target` puts everything back where it was on the target, and together with `--to DIR` below the folder DIR
    of the target. Nothing is overwritten: DIR has to be new or empty, and without DIR the paths must not be there,
    unless you say --overwrite.
    """

    to = cli.SwitchAttr(["--to"], str, argname="DIR", help="the folder; with --onto-target a folder on the target")
    onto_target = cli.Flag(
        ["--onto-target"],
        help="extract on the target; any change to the repository by its session is detected",
    )
    overwrite = cli.Flag(["--overwrite"], help="replace existing files; others stay")
    numeric_ids = cli.Flag(["--numeric-ids"], help="set owners by the user and group ids of the archive, not the names")
    dry_run = cli.Flag(["-n", "--dry-run"], help="show what would be restored and what is in the way; write nothing")
    verify = cli.Flag(["--verify"], help="read all of it again, and compare it with the archive")
    json = cli.Flag(["--json"], help="print a report as JSON (docs/restore.schema.json)")
    _percentage: ui.Progress | None = None

    def main(self, name: str, archive: str = "latest", *paths: str) -> int:
        if self.at and self.onto_target:
            hint = "restore it here with `--to DIR`, or put the whole state back with `borgpull rollback --to TIME`"
            raise UsageError("--at does not go with --onto-target: it reads on this machine alone", hint=hint)
        wanted = Wanted(
            archive=archive,
            patterns=paths,
            folder=self._folder(),
            onto_target=bool(self.onto_target),
            overwrite=bool(self.overwrite),
            numeric_ids=bool(self.numeric_ids),
            dry_run=bool(self.dry_run),
            verify=bool(self.verify),
        )
        return self.about(name, lambda context: self._restore(context, wanted))

    def _folder(self) -> str:
        if not self.to:
            if self.onto_target:
                return ""
            raise UsageError(
                "no destination",
                hint="add `--to DIR` for a folder here, or --onto-target for the original place",
            )
        if not self.onto_target:
            return str(Path(self.to).absolute())
        if not self.to.startswith("/"):
            raise UsageError(f"--to {self.to}: a folder on the target needs an absolute path")
        return str(self.to)

    async def _restore(self, context: TargetContext, wanted: Wanted) -> int:
        archives = await repository.archives_of(context)
        self.warn_when_closed(archives)
        self._percentage = ui.Progress()
        try:
            done = await restore.restore(context, archives, wanted)
        finally:
            self._percentage.end()
        if done.archive.verified is False:
            console.message_warning("no run has verified this archive: do not rely on it")
        if self.json:
            console.data(done.text)
        else:
            console.message_lines(ui.restored_lines(done))
        return FAILED if done.compared and done.compared.different else DONE if done.good else WARNINGS

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if self._percentage:
            self._percentage.handle(event)
