"""`borgpull list NAME [ARCHIVE] [PATTERN...]`: the archives of a target, or what is in one of them."""

from __future__ import annotations

import contextlib
import time

from plumbum import cli

from .. import repository
from ..errors import Failure, UsageError
from ..repository import TargetContext, VerifiedArchives
from ..results import ArchiveList, Item, ListedArchive, dumps
from ..ui import archives as ui
from ..ui import console
from .base import ReadingCommand
from .exit_codes import DONE


class List(ReadingCommand):
    """ARCHIVE is a name, an id, or `latest`: the newest good one. A PATTERN is one of borg's: a path with all
    below it, or `sh:**/*.conf`, `fm:`, `re:`, `pf:`. Without one everything is listed. It runs borg on this machine,
    contacts no target, and changes nothing.
    """

    why = cli.Flag(["--why"], help="show for each archive the rule that keeps it, or that the next run would remove it")
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
        if self.json:
            console.data(ArchiveList(target=archives.target, closed=archives.closed, archives=listed).text)
        else:
            lines = ui.archive_lines(archives.target, listed, foreign=archives.foreign, now=time.time(), why=self.why)
            console.answer(lines)
        return DONE

    async def _files(
        self, context: TargetContext, archives: VerifiedArchives, wanted: str, patterns: tuple[str, ...]
    ) -> int:
        archive = archives.chosen(wanted)
        listing = _Listing(archives, archives.entry(archive), as_json=self.json)
        await repository.each_item(context, archive, patterns, listing.add)
        if not listing.items and patterns:
            raise repository.no_such_path(context, archive, list(patterns))
        listing.end()
        return DONE


class _Listing:
    """The files of an archive on stdout, each as soon as it is read: there may be millions. `items` counts them."""

    def __init__(self, archives: VerifiedArchives, archive: ListedArchive, *, as_json: bool) -> None:
        self.items = 0
        self._as_json = as_json
        self._head = ui.files_head(archives.target, archive, archives.closed)
        self._output = console.Output(for_programs=as_json)

    async def add(self, item: Item) -> None:
        if self._as_json:
            self._output.write(f"{',' if self.items else self._head}\n    {dumps(item)}")
        else:
            self._output.write(f"{ui.file_line(item)}\n")
        self.items += 1

    def end(self) -> None:
        """Print the end after the last one. Raises Failure when stdout did not take all of the JSON."""
        if self._as_json:
            self._output.write(ui.FILES_END if self.items else self._head + ui.FILES_END)
            self._output.close()
        else:
            # A reader such as `less` or `head` may stop early.
            with contextlib.suppress(Failure):
                self._output.close()
