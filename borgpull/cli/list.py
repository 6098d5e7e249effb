"""`borgpull list NAME [ARCHIVE] [PATTERN...]`: the archives of a target, or what is in one of them."""

from __future__ import annotations

import contextlib
import time

from plumbum import cli

from .. import repository
from ..errors import Failure, UsageError
from ..repository import TargetContext, VerifiedArchives
from ..results import ArchiveList, Item, dumps
from ..ui import archives as ui
from ..ui import console
from .base import ReadingCommand
from .exit_codes import DONE


class List(ReadingCommand):
    """ARCHIVE is a name, an id, or `latest`: the newest good one. A PATTERN is one of borg's: a path with all
    below it, or `sh:**/*.conf`, `fm:`, `re:`, `pf:`. Without one everything is listed. It runs borg on this machine,
    contacts no target, and changes nothing.
    """

    why = cli.Flag(["--why"], help="show for each archive the rule that keeps it, or when it goes")
    json = cli.Flag(["--json"], help="print JSON (docs/list.schema.json); names are as they are, not cleaned")

    def main(self, name: str, archive: str = "", *patterns: str) -> int:
        if self.why and archive:
            raise UsageError("--why is about all archives of a target: leave ARCHIVE out", hint=self.see)
        return self.about(name, lambda context: self._list(context, archive, patterns), alone=False)

    async def _list(self, context: TargetContext, archive: str, patterns: tuple[str, ...]) -> int:
        archives = await repository.archives_of(context)
        self.warn_when_closed(archives)
        if archive:
            return await self._files(context, archives, archive, patterns)
        listed = repository.explained(context, archives) if self.why else archives.listed
        report = ArchiveList(target=archives.target, closed=archives.closed, archives=listed)
        lines = ui.archive_lines(archives.target, listed, foreign=archives.foreign, now=time.time(), why=self.why)
        console.print_result(report, lines, as_json=self.json)
        return DONE

    async def _files(
        self, context: TargetContext, archives: VerifiedArchives, wanted: str, patterns: tuple[str, ...]
    ) -> int:
        archive = archives.chosen(wanted)
        output = console.Output(for_programs=self.json)
        before = ui.files_head(archives.target, archives.entry(archive), archives.closed)
        items = 0

        async def print_item(item: Item) -> None:
            # Each as soon as it is read: there may be millions.
            nonlocal items
            items += 1
            output.write(
                f"{before if items == 1 else ','}\n    {dumps(item)}" if self.json else f"{ui.file_line(item)}\n"
            )

        await repository.each_item(context, archive, patterns, print_item)
        if not items and patterns:
            raise repository.no_such_path(context, archive, list(patterns))
        if self.json:
            output.write(ui.FILES_END if items else before + ui.FILES_END)
        # A reader such as `less` or `head` may stop early.
        with contextlib.nullcontext() if self.json else contextlib.suppress(Failure):
            output.close()
        return DONE
