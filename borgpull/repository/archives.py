"""The archives of one target as they are read on C: which there are, which one is meant, and what is in it.

Takes no run lock and changes nothing: a closed repository can be read, and whoever reads it is told that it is closed.
"""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .. import guard, process
from ..borg import archive_names
from ..borg import command as borg_command
from ..borg.output import read_item
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, UsageError
from ..events import Step
from ..guard import Archive, Unreadable
from ..ledger import Ledger, Phase
from ..results import Closed, Item, ListedArchive
from ..retention import ArchiveState, series_of
from ..untrusted import clean
from .context import TargetContext
from .verification import recovery_hint

LATEST = "latest"
_MOST_NAMED = 5
# An item of borg's longest path, each letter of it escaped, and what else stands in its line.
_LONGEST_LINE = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class VerifiedArchives:
    """The archives of a target, the oldest first, and what is known of its repository: nothing where no run ended.

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
        return ListedArchive(
            name=archive.name,
            archive_id=archive.id,
            start=archive.seconds,
            verified=self.verified(archive),
            unfinished=borg_command.is_checkpoint(archive.name),
            aside=self.aside(archive),
        )

    def aside(self, archive: Archive) -> str:
        """Return why an archive counts as no backup, "" when it counts as one."""
        note = self.known.note(archive.id) if self.known else None
        if note is None or note.state is ArchiveState.GOOD:
            return ""
        return ": ".join(filter(None, (note.state.value, note.reason)))

    def verified(self, archive: Archive) -> bool | None:
        """Tell whether an archive is one of those that were verified; None where nothing was."""
        return None if self.known is None else archive in self.known.evidence.archives

    def chosen(self, wanted: str) -> Archive:
        """Return the archive of this name or id. `latest` is the newest good one that was verified.

        It is of the source paths; the newest of a stream is `@` and the name of the stream. A name is also known as it
        is shown, without what could move a cursor. Raises UsageError.
        """
        if wanted == LATEST:
            return self._wanted("")
        for name in (lambda each: each.name, lambda each: each.id, lambda each: clean(each.name)):
            if found := [archive for archive in self.archives if name(archive) == wanted]:
                return found[-1]
        streams = {archive_names.stream_of(archive.name) for archive in self.archives} - {""}
        if wanted in {f"@{stream}" for stream in streams}:
            return self._wanted(wanted[1:])
        names = [clean(archive.name) for archive in self.archives]
        close = difflib.get_close_matches(wanted, names, n=1) or names[-1:]
        there = f"there is {close[0]}; " if close else ""
        raise UsageError(
            f"{self.party} has no archive {clean(wanted)!r}", hint=f"{there}`borgpull list {self.target}` lists them"
        )

    def _wanted(self, stream: str) -> Archive:
        try:
            return self.newest(stream)
        except Failure as failure:
            raise UsageError(str(failure), hint=failure.hint) from None

    def _is_main(self, archive: Archive) -> bool:
        # Of a repository that no run has taken over nobody knows how its archives are named.
        return archive_names.is_main(archive.name) or (self.known is None and not archive.name.startswith("@"))

    def newest(self, stream: str = "") -> Archive:
        """Return the newest archive of a stream, or the source paths, that was verified, and is no checkpoint.

        Raises Failure when there is none.
        """
        whole = [
            archive
            for archive in self.archives
            if not borg_command.is_checkpoint(archive.name)
            and not self.aside(archive)
            and (archive_names.stream_of(archive.name) == stream if stream else self._is_main(archive))
        ]
        good = [archive for archive in whole if self.verified(archive) is not False]
        if not good:
            why = "none of its archives was verified" if whole else "it has no archive yet"
            hint = f"`borgpull list {self.target}` lists them: name one" if whole else "`borgpull run` makes one"
            raise Failure(self.party, why, hint=hint)
        return max(good, key=lambda archive: (archive.seconds, archive.name))


async def archives_of(context: TargetContext) -> VerifiedArchives:
    """Return the archives of a target. Raises Failure when its repository cannot be read."""
    seen = await context.vault.survey()
    listed = await context.reading(Step.INSPECT, borg_command.list_archives())
    if listed.status != 0:
        failure = listed.failure(CONTROLLER, "list")
        if seen.holder and f"pid {os.getpid()}," not in seen.holder:
            cause = f"a run is at work on its repository: {seen.holder}"
            raise context.failure(cause, hint="wait until it has ended", transient=True)
        if seen.ledger is None or not listed.speaks_against_repository:
            raise failure
        raise Failure(
            failure.party,
            failure.cause,
            hint=f"{failure.hint}; {recovery_hint(context.target.name, rollback=context.vault.records)}",
        )
    try:
        archives = guard.read_archives(listed.stdout)
    except Unreadable as error:
        raise Failure(BACKUP_SERVER, str(error), hint="run it again with -v to see all that borg said") from None
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
    take: Callable[[Item], Awaitable[None]],
    *,
    hashes: bool = False,
) -> None:
    """Give each item of an archive that matches `patterns` (all, without one) to `take`, which must not raise.

    With `hashes` all of its data is read. Raises Failure when it cannot be read to its end.
    """
    odd = 0

    async def read(stdout: asyncio.StreamReader) -> bytes:
        nonlocal odd
        async for line in process.lines(stdout, longest=_LONGEST_LINE):
            if item := read_item(line):
                await take(item)
            else:
                odd += 1
        return b""

    arguments = borg_command.list_files(archive.name, patterns=patterns, hashes=hashes)
    (await context.reading(Step.INSPECT, arguments, read=read)).or_raise(CONTROLLER, "list")
    if odd:
        raise context.failure(
            f"{odd} items of the archive {clean(archive.name)} are none that borg writes",
            hint="its borg is not the program it should be; `borgpull list` shows older archives",
        )


def no_such_path(context: TargetContext, archive: Archive, missing: list[str]) -> UsageError:
    return UsageError(
        f"the archive {clean(archive.name)} of {context.party} has nothing that matches "
        + ", ".join(clean(path) for path in missing[:_MOST_NAMED]),
        hint=f"`borgpull list {context.target.name} {clean(archive.name)}` lists all that it has",
    )
