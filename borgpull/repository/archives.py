"""The archives of one target as the controller reads them: which there are, which one is meant, and what is in it.

Takes no run lock and changes nothing: a closed repository can be read, with a warning.
"""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .. import guard, process
from ..borg import command_lines as borg_command
from ..borg.output import read_item
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, UsageError, command_line
from ..events import Step
from ..guard import Archive, Unreadable
from ..ledger import Ledger, Phase
from ..results import Closed, Item, ListedArchive
from ..retention import ArchiveState, is_checkpoint, is_main, series_of, stream_of
from ..untrusted import clean
from .context import TargetContext
from .verification import recovery_hint

LATEST = "latest"
_MOST_NAMED = 5
# An item of borg's longest path, each letter of it escaped, and what else stands in its line.
_LONGEST_LINE = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class VerifiedArchives:
    """The archives of a target, the oldest first, and its ledger if a run ever ended.

    `foreign` of them are not borgpull's, and are never pruned.
    """

    target: str
    party: str
    archives: tuple[Archive, ...]
    known: Ledger | None
    foreign: int = 0

    @property
    def closed(self) -> Closed | None:
        if self.known is None or self.known.phase is not Phase.CLOSED:
            return None
        ways = recovery_hint(self.target, rollback=self.known.evidence.counted)
        return Closed(party=self.party, cause=self.known.cause, findings=self.known.rules, hint=ways)

    @property
    def listed(self) -> tuple[ListedArchive, ...]:
        return tuple(self.entry(archive) for archive in self.archives)

    def entry(self, archive: Archive) -> ListedArchive:
        note = self.known.note(archive.id) if self.known else None
        state, reason = ("", "") if note is None or note.state is ArchiveState.GOOD else (note.state.value, note.reason)
        return ListedArchive(
            name=archive.name,
            archive_id=archive.id,
            start=archive.seconds,
            verified=None if self.known is None else archive in self.known.evidence.archives,
            unfinished=is_checkpoint(archive.name),
            aside=": ".join(filter(None, (state, reason))),
            state=state,
        )

    def chosen(self, wanted: str) -> Archive:
        """Return the archive of this name or id; a name also as it is shown, without what could move a cursor.

        `latest` is the newest good one of the source paths that was verified, `@STREAM` that of a stream. Raises
        UsageError.
        """
        for name in (lambda each: each.name, lambda each: each.id, lambda each: clean(each.name)):
            if wanted != LATEST and (found := [archive for archive in self.archives if name(archive) == wanted]):
                return found[-1]
        streams = {f"@{stream_of(archive.name)}" for archive in self.archives} - {"@"}
        if wanted in streams | {LATEST}:
            try:
                return self.newest(wanted.removeprefix(LATEST).removeprefix("@"))
            except Failure as failure:
                raise UsageError(str(failure), hint=failure.hint) from None
        names = [clean(archive.name) for archive in self.archives]
        close = difflib.get_close_matches(wanted, names, n=1) or names[-1:]
        there = f"there is {close[0]}; " if close else ""
        raise UsageError(
            f"{self.party} has no archive {clean(wanted)!r}",
            hint=f"{there}{command_line('list', self.target)} lists them",
        )

    def newest(self, stream: str = "") -> Archive:
        """Return the newest good archive of a stream, or of the source paths, that was verified.

        Raises Failure when there is none.
        """
        series = [each for each in self.archives if (stream_of(each.name) == stream if stream else self._is_main(each))]
        entries = [(each, self.entry(each)) for each in series]
        whole = [(each, entry) for each, entry in entries if not entry.unfinished and not entry.aside]
        good = [each for each, entry in whole if entry.verified is not False]
        if not good:
            why = "none of its archives was verified" if whole else "it has no archive yet"
            hint = f"{command_line('list', self.target)} lists them: name one" if whole else "`borgpull run` makes one"
            raise Failure(self.party, why, hint=hint)
        return max(good, key=lambda archive: (archive.seconds, archive.name))

    def _is_main(self, archive: Archive) -> bool:
        # Before a run has taken the repository over, its archives may have any name.
        return is_main(archive.name) or (self.known is None and not archive.name.startswith("@"))


async def archives_of(context: TargetContext) -> VerifiedArchives:
    """Return the archives of a target. Raises Failure when its repository cannot be read."""
    seen = await context.store.read_status()
    listed = await context.reading(Step.INSPECT, borg_command.list_archives())
    if listed.status != 0:
        failure = listed.failure(CONTROLLER, "list")
        if seen.holder and f"pid {os.getpid()}," not in seen.holder:
            cause = f"a run is at work on its repository: {seen.holder}"
            raise context.failure(cause, hint="wait until it has ended", transient=True)
        if seen.ledger and listed.speaks_against_repository:
            ways = recovery_hint(context.target.name, rollback=context.store.shows_records)
            failure.hint = f"{failure.hint}; {ways}"
        raise failure
    try:
        archives = guard.read_archives(listed.stdout)
    except Unreadable as error:
        raise Failure(BACKUP_SERVER, str(error), hint="run it again with -v to see all of borg's output") from None
    streams = [stream.name for stream in context.target.streams]
    return VerifiedArchives(
        target=context.target.name,
        party=context.party,
        archives=tuple(sorted(archives, key=lambda archive: (archive.seconds, archive.name))),
        known=seen.ledger,
        foreign=sum(series_of(each.name, streams=streams, also=context.config.prune_also) is None for each in archives),
    )


async def each_item(
    context: TargetContext,
    archive: Archive,
    patterns: tuple[str, ...],
    on_item: Callable[[Item], Awaitable[None]],
    *,
    hashes: bool = False,
) -> None:
    """Call `on_item`, which must not raise, with each item of an archive that matches `patterns`, or with all.

    With `hashes` all of its data is read. Raises Failure when it cannot be read to its end.
    """
    odd = 0

    async def read(stdout: asyncio.StreamReader) -> bytes:
        nonlocal odd
        async for line in process.lines(stdout, longest=_LONGEST_LINE):
            if item := read_item(line):
                await on_item(item)
            else:
                odd += 1
        return b""

    arguments = borg_command.list_files(archive.name, patterns=patterns, hashes=hashes)
    (await context.reading(Step.INSPECT, arguments, read=read)).or_raise(CONTROLLER, "list")
    if odd:
        raise context.failure(
            f"the archive {clean(archive.name)} contains entries that borg would never write ({odd})",
            hint=f"its borg is not the program it should be; {command_line('list', context.target.name)} shows older "
            "archives",
        )


def no_such_path(context: TargetContext, archive: Archive, missing: list[str]) -> UsageError:
    return UsageError(
        f"the archive {clean(archive.name)} of {context.party} has nothing that matches "
        + ", ".join(clean(path) for path in missing[:_MOST_NAMED]),
        hint=f"{command_line('list', context.target.name, clean(archive.name))} lists all that it has",
    )
