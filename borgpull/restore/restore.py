"""A restore: look at the contents on the controller, then extract there or on the target. It overwrites only if told.

Onto the target it takes the transport of a backup, and the same verification: the target reads through a session that
could add, nobody may write, and the repository is judged afterwards. What a crash leaves the next run judges.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from ..borg import WARNED
from ..borg import command_lines as borg_command
from ..errors import CONTROLLER, Failure, UsageError, command_line, the
from ..events import Step
from ..guard import Archive
from ..repository.archives import VerifiedArchives, each_item, no_such_path
from ..repository.connected_target import TargetSession, connected_target
from ..repository.context import TargetContext
from ..repository.step_events import MOST_WARNINGS
from ..repository.verification import Verification, recovery_hint
from ..results import Restored
from ..transport import BorgResult, ExtractArchive
from ..untrusted import clean
from .comparison import ControllerComparison, TargetComparison
from .contents import Contents, refuse_on_controller, refuse_on_target

_NOT_ROOT = "the user there is not root: what was restored belongs to that user, and not to the owners in the archive"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be restored: what matches `patterns` (all, without one), below `folder`.

    `folder` is absolute, and empty to put everything back where it was, which only works on the target.
    """

    archive: str
    patterns: tuple[str, ...]
    folder: str
    onto_target: bool
    overwrite: bool = False
    numeric_ids: bool = False
    dry_run: bool = False
    verify: bool = False


async def restore(context: TargetContext, archives: VerifiedArchives, wanted: Wanted) -> Restored:
    """Restore, or only say what would be. The caller holds the run lock.

    Raises UsageError when there is nothing to restore or something is in the way, Failure when it fails, and
    TamperedError when the target's session did more than read.
    """
    return await _Restore(context, archives, wanted).run()


class _Restore:
    def __init__(self, context: TargetContext, archives: VerifiedArchives, wanted: Wanted) -> None:
        self._context = context
        self._archives = archives
        self._wanted = wanted
        self._archive: Archive = archives.chosen(wanted.archive)

    async def run(self) -> Restored:
        user = self._context.target.sudo_user
        if self._wanted.onto_target and self._wanted.verify and user:
            raise UsageError(
                f"--verify reads on the target as {user}, who may not read what root restores",
                hint="leave it out: borg authenticates all that it extracts; or restore to a folder here (--to DIR), "
                "where --verify reads all of it",
            )
        if self._wanted.onto_target and self._archives.closed:
            raise self._context.failure(
                f"{self._archives.closed.cause}: nothing is restored onto a target from a closed repository",
                hint=f"{command_line('restore', self._context.target.name, '--to', 'DIR')} extracts it here, to be "
                f"looked at; {recovery_hint(self._context.target.name, rollback=self._context.store.shows_records)}",
            )
        contents = Contents(self._wanted.patterns)
        await each_item(self._context, self._archive, self._wanted.patterns, contents.add)
        if contents.unmatched:
            raise no_such_path(self._context, self._archive, contents.unmatched)
        contents.refuse_traps(self._context.party, self._archive.name)
        if not self._wanted.onto_target:
            return await self._here(contents)
        async with connected_target(self._context) as session:
            return await self._there(contents, session)

    async def _here(self, contents: Contents) -> Restored:
        wanted, folder = self._wanted, Path(self._wanted.folder)
        refuse_on_controller(folder, contents, overwrite=wanted.overwrite)
        restored = self._restored(contents, CONTROLLER, is_root=os.geteuid() == 0)
        if wanted.dry_run:
            return restored
        _make(folder)
        arguments = borg_command.extract(self._archive.name, patterns=wanted.patterns, numeric_ids=wanted.numeric_ids)
        ended = await self._context.reading(Step.EXTRACT, arguments, folder=folder)
        restored = self._with_warnings(restored, ended)
        if not wanted.verify:
            return restored
        comparison = ControllerComparison(folder, numeric_ids=wanted.numeric_ids)
        await each_item(self._context, self._archive, wanted.patterns, comparison.add, hashes=True)
        return replace(restored, compared=comparison.result)

    async def _there(self, contents: Contents, session: TargetSession) -> Restored:
        context, wanted = self._context, self._wanted
        is_root = await refuse_on_target(session.master, wanted.folder, contents, overwrite=wanted.overwrite)
        restored = self._restored(contents, context.party, is_root=is_root or bool(context.target.sudo_user))
        if wanted.dry_run:
            return restored
        restored = self._with_warnings(restored, await self._extract_there(session))
        if not wanted.verify:
            return restored
        comparison = TargetComparison()
        await each_item(context, self._archive, wanted.patterns, comparison.add, hashes=True)
        await comparison.read_back(session.master, wanted.folder, seconds=context.target.timeout)
        return replace(restored, compared=comparison.result)

    async def _extract_there(self, session: TargetSession) -> BorgResult:
        context, wanted = self._context, self._wanted
        command = ExtractArchive(
            context,
            archive=self._archive.name,
            patterns=wanted.patterns,
            folder=wanted.folder or "/",
            numeric_ids=wanted.numeric_ids,
        )
        verification = Verification(context)
        failure: Failure | None = None
        (await session.preflight(command)).require_all()
        with context.events.step(Step.INSPECT):
            await verification.inspect()
            await verification.open("", time.time())
        try:
            with context.events.step(Step.EXTRACT):
                ended = await session.run(command, quota=verification.allow(adds=False).quota)
        except Failure as error:
            # What it left on the backup server is judged all the same.
            failure = error
        with context.events.step(Step.VERIFY):
            await verification.verify()
            await verification.settle(None)
        if failure is not None:
            raise failure
        return ended

    def _restored(self, contents: Contents, party: str, *, is_root: bool) -> Restored:
        return Restored(
            target=self._context.target.name,
            archive=self._archives.entry(self._archive),
            party=party,
            folder=self._wanted.folder or "/",
            items=contents.items,
            size=contents.size,
            dry_run=self._wanted.dry_run,
            notes=() if is_root else (_NOT_ROOT,),
        )

    def _with_warnings(self, restored: Restored, ended: BorgResult) -> Restored:
        if ended.status not in (0, WARNED):
            failure = ended.failure(restored.party, "extract")
            raise Failure(
                failure.party,
                f"{failure.cause}; what was restored until then lies in {clean(restored.folder)} of "
                f"{the(restored.party)}",
                hint=failure.hint,
                detail=failure.detail,
            )
        said = tuple(message.text for message in ended.said.warnings[:MOST_WARNINGS])
        return replace(restored, warnings=said, warned=max(ended.said.warned, int(ended.status == WARNED)))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", hint="name a folder that can be made") from None
