"""The backup of one target: connect, inspect, create, check, prune, compact. A step that fails ends this target only.

Prune, check and compact run on C. T's session may only add, and its success is believed only with borg's record of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..borg import command as borg_command
from ..borg.command import Repository
from ..borg.failure import MISSING_REPOSITORY
from ..borg.output import Archive, read_created
from ..config import Config, Target
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, target_party
from ..events import ArchiveCreated, Emit, Outcome, Step
from ..hostile import clean
from ..road import Backup, BackupServer, Ended, TargetSession, borg_on_controller, open_target
from ..ssh import open_master
from .watch import StepReport, Watch

_WARNING = 1
_FREED = re.compile(r"compaction freed about (.{1,20}) repository space")


@dataclass(frozen=True)
class Plan:
    """What the backups of all targets share. `cache` is where borg on C keeps its cache and its memory."""

    config: Config
    server: BackupServer
    cache: Path
    emit: Emit


async def back_up(plan: Plan, target: Target) -> Outcome:
    """Back up one target; return DONE or WARNING. Raises Failure, naming the party, when a step fails."""
    return await _Job(plan, target).run()


class _Job:
    def __init__(self, plan: Plan, target: Target) -> None:
        self._plan = plan
        self._target = target
        self._party = target_party(target.name)
        self._watch = Watch(target.name, plan.emit)
        self._repository = Repository(plan.config.repository_path(target), plan.config.repository_url(target))
        self._worst = Outcome.DONE

    async def run(self) -> Outcome:
        async with self._connected() as session:
            await self._inspect()
            await self._create(session)
        await self._check()
        await self._prune()
        await self._compact()
        return self._worst

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[TargetSession]:
        target = self._target
        self._archive = borg_command.archive_name(time.time())
        backup = Backup(target.borg_path, self._repository, self._archive, target.source_paths, target.excludes)
        async with AsyncExitStack() as stack:
            with self._watch.step(Step.CONNECT):
                master = await stack.enter_async_context(
                    open_master(
                        target.connection,
                        party=self._party,
                        directory=self._plan.server.directory,
                        heard=lambda line: self._watch.said(f"ssh {self._party}", line),
                    )
                )
                session = await stack.enter_async_context(open_target(master, backup))
            yield session

    async def _borg(self, step: Step, arguments: list[str]) -> Ended:
        return await borg_on_controller(
            self._plan.server,
            self._repository,
            arguments,
            passphrase=self._target.passphrase.get_secret_value(),
            cache=self._plan.cache,
            heard=self._watch.hearing("borg", step),
        )

    async def _inspect(self) -> None:
        with self._watch.step(Step.INSPECT) as report:
            listed = await self._borg(Step.INSPECT, borg_command.list_archives())
            if listed.status != 0:
                if MISSING_REPOSITORY not in listed.said.kinds():
                    raise listed.failure(CONTROLLER, "list")
                made = await self._borg(Step.INSPECT, borg_command.init())
                if made.status != 0:
                    raise made.failure(CONTROLLER, "init")
                report.detail = "made a new repository"

    async def _create(self, session: TargetSession) -> None:
        with self._watch.step(Step.CREATE) as report:
            ended = await session.create(
                self._plan.server,
                self._repository,
                passphrase=self._target.passphrase.get_secret_value(),
                heard=self._watch.hearing(f"borg {self._party}", Step.CREATE),
                server_heard=self._watch.hearing(f"borg {BACKUP_SERVER}", Step.CREATE),
            )
            archive = self._written(ended)
            self._plan.emit(
                ArchiveCreated(
                    target=self._target.name,
                    name=archive.name,
                    archive_id=archive.archive_id,
                    original_size=archive.original_size,
                    deduplicated_size=archive.deduplicated_size,
                    files=archive.files,
                )
            )
            self._settle(report, ended, "create")

    def _written(self, ended: Ended) -> Archive:
        archive = read_created(ended.stdout)
        if ended.status not in (0, _WARNING) or archive is None or archive.name != self._archive:
            if ended.status in (0, _WARNING):
                raise Failure(self._party, "its borg claims success but shows no record of the archive asked for")
            raise ended.failure(self._party, "create")
        self._refuse_unread(ended)
        if archive.files == 0:
            raise Failure(
                self._party,
                "the archive holds no file at all",
                hint="check SourcePaths and Excludes, and that the user on T may read them",
            )
        return archive

    def _refuse_unread(self, ended: Ended) -> None:
        # A path that vanished or was closed between our look and borg's: borg itself only warns.
        for path in self._target.source_paths:
            lost = [m.text for m in ended.said.warnings if m.text.startswith(f"{clean(path)}: ")]
            if lost and "changed while" not in lost[0]:
                raise Failure(self._party, f"a source path could not be read: {lost[0]}")

    def _settle(self, report: StepReport, ended: Ended, command: str) -> None:
        if ended.status not in (0, _WARNING):
            raise ended.failure(CONTROLLER, command)
        if ended.status == _WARNING:
            report.outcome = self._worst = Outcome.WARNING
            self._watch.warn(ended.said.warnings, ended.said.warned, of=command)

    async def _check(self) -> None:
        with self._watch.step(Step.CHECK):
            ended = await self._borg(Step.CHECK, borg_command.check())
            # Borg reports damage with the exit status of a warning.
            if ended.status == _WARNING:
                found = next(
                    (m.text for m in (*ended.served.said.errors, *ended.said.errors, *ended.said.warnings)),
                    "",
                )
                raise Failure(
                    BACKUP_SERVER,
                    f"borg check found damage in the repository: {found}",
                    hint="nothing was pruned or compacted; read borg's documentation of `check --repair` before you act",
                )
            if ended.status != 0:
                raise ended.failure(CONTROLLER, "check")

    async def _prune(self) -> None:
        with self._watch.step(Step.PRUNE) as report:
            ended = await self._borg(Step.PRUNE, borg_command.prune(self._plan.config.prune_options))
            self._settle(report, ended, "prune")
            gone = sum(message.text.startswith("Pruning archive") for message in ended.said.others)
            report.detail = f"{gone} removed" if gone else ""

    async def _compact(self) -> None:
        with self._watch.step(Step.COMPACT) as report:
            ended = await self._borg(Step.COMPACT, borg_command.compact())
            self._settle(report, ended, "compact")
            freed = [found[1] for m in ended.served.said.others if (found := _FREED.search(m.text))]
            report.detail = f"freed {freed[-1]}" if freed else ""
