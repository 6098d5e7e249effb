"""The backup of one target: connect, inspect, create, verify, check, prune, compact. Each step is told as it goes.

However T's session ended, its repository is verified before anything else is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from ..borg import command as borg_command
from ..borg.output import Archive, read_created
from ..config import Target
from ..errors import BACKUP_SERVER, Failure, TamperedError
from ..events import ArchiveCreated, ArchiveProgress, Estimated, Outcome, Step
from ..guard import Verdict
from ..hostile import clean
from ..road import Backup, Ended, FirstLeg, TargetSession, first_leg, open_target
from ..ssh import Master, open_master
from .custody import Custody
from .hooks import Happened, Hooks, failed_with
from .plan import Plan, Subject
from .upkeep import Upkeep
from .watch import StepReport

# In an idle connection a master of ours reads and writes about 20 bytes a second, one keepalive in 15 seconds.
_KEEPALIVES = 60.0
_SAMPLE_SECONDS = 20.0
_ON_TARGET = (Step.CONNECT, Step.BEFORE, Step.CREATE, Step.AFTER)
_HANGING = {"T": "its borg serve is stopped", "D": "its borg serve waits for the disk"}

_Opened = tuple[TargetSession, FirstLeg]


async def back_up(plan: Plan, target: Target, *, deadline: float, is_last: Callable[[Failure], bool]) -> Outcome:
    """Back up one target; return DONE or WARNING. `deadline` is by the clock of the event loop.

    `is_last` tells of a failure whether the target has failed with it, or will be tried again.

    Raises Failure, naming the party, when a step fails or hangs, and TamperedError when the repository is not as it
    should be.
    """
    return await _Job(Subject(plan, target), deadline).run(is_last)


def connected_target(subject: Subject) -> AbstractAsyncContextManager[Master]:
    """Connect to the target itself, for as long as the context lasts. Raises Failure."""
    return open_master(
        subject.target.connection,
        party=subject.party,
        directory=subject.plan.server.directory,
        heard=lambda line: subject.watch.said(f"ssh {subject.party}", line),
    )


class _Job:
    def __init__(self, subject: Subject, deadline: float) -> None:
        self._subject = subject
        self._deadline = deadline
        self._target = subject.target
        self._watch = subject.watch
        self._emit = subject.plan.emit
        self._custody = Custody(subject)
        self._archive = borg_command.archive_name(time.time())
        self._upkeep = Upkeep(subject, self._custody)
        self._check_due = False
        self._hooks: Hooks | None = None

    async def run(self, is_last: Callable[[Failure], bool]) -> Outcome:
        async with AsyncExitStack() as connection:
            try:
                await self._in_time(connection)
            except TamperedError:
                # A target that may be hostile is not told what was noticed.
                raise
            except Failure as failure:
                if self._hooks and is_last(failure):
                    await self._hooks.failed(failure)
                raise
        return self._watch.worst

    async def _in_time(self, connection: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout_at(self._deadline) as limit:
                await self._steps(connection)
        except TimeoutError:
            if not limit.expired():
                raise
            span = round(self._target.options.timeout)
            raise await self._hung(f"was not done within {span} s in all (Timeout)") from None

    async def _steps(self, connection: AsyncExitStack) -> None:
        async with AsyncExitStack() as lock:
            async with AsyncExitStack() as session:
                hooks, opened = await self._connect(connection, session)
                await self._inspect(lock)
                ended, unfinished = await self._between(hooks, session, opened)
            if not self._target.options.on_failure:
                await connection.aclose()
            await self._verify(ended)
            if unfinished:
                raise unfinished
            await self._upkeep.check(due=self._check_due)
            await self._upkeep.prune()
            await self._upkeep.compact()

    async def _hung(self, how: str) -> Failure:
        """Say who hangs: what T's borg waits for may be the serve on B."""
        step = self._watch.stopped_in or self._watch.latest
        party = self._subject.party if step in _ON_TARGET else BACKUP_SERVER
        state = await self._subject.vault.serve_state()
        if state in _HANGING:
            return Failure(BACKUP_SERVER, f"{_HANGING[state]}; the target {how}", hint="look at that process on B")
        return Failure(
            party,
            f"the target {how}; it came as far as {step}",
            hint="look there for what hangs, or allow it more; the next run goes on from the last checkpoint",
        )

    async def _connect(self, connection: AsyncExitStack, session: AsyncExitStack) -> tuple[Hooks, _Opened | None]:
        """Connect to T, and look around there: not yet where Before may bring about what is looked for."""
        with self._watch.step(Step.CONNECT) as report:
            master = await connection.enter_async_context(connected_target(self._subject))
            self._hooks = Hooks(self._subject, master, self._archive)
            if self._target.options.before:
                return self._hooks, None
            return self._hooks, await self._open(master, session, report)

    async def _open(self, master: Master, stack: AsyncExitStack, report: StepReport) -> _Opened:
        subject, target = self._subject, self._target
        backup = Backup(
            borg=target.borg_path,
            repository=subject.repository,
            archive=self._archive,
            sources=target.source_paths,
            excludes=target.excludes,
            options=target.options,
            sudoer=target.sudoer,
        )
        session = await stack.enter_async_context(open_target(master, backup))
        road, directory = target.options.road, subject.plan.server.directory
        leg = await stack.enter_async_context(first_leg(master, session.folder, road=road, directory=directory))
        report.detail = "over stdio: its sshd refuses to forward" if leg.fell_back else ""
        return session, leg

    async def _inspect(self, lock: AsyncExitStack) -> None:
        with self._watch.step(Step.INSPECT) as report:
            await lock.enter_async_context(self._subject.vault.held())
            report.detail = await self._custody.inspect()
            known = self._custody.verified
            if any(archive.name == self._archive for archive in known.evidence.archives):
                raise Failure(
                    BACKUP_SERVER,
                    f"there is an archive {self._archive} already, of a run within the same second",
                    hint="run it again",
                    transient=True,
                )
            if known.size:
                self._emit(Estimated(target=self._target.name, original_size=known.size, files=known.files))
            await self._custody.open(self._archive, time.time())
            if not self._custody.verified.linked:
                self._watch.warn_without_links()

    async def _between(
        self, hooks: Hooks, stack: AsyncExitStack, opened: _Opened | None
    ) -> tuple[Ended | Failure, Failure | None]:
        """Run Before, create and After; return how the backup ended, and what failed of After.

        What a failure left on B is judged all the same. After runs however it ended, once T has no session any more.
        """
        happened = Happened(outcome=Outcome.INTERRUPTED)
        unfinished = None
        try:
            await hooks.before()
            ended: Ended | Failure = await self._create(hooks, stack, opened)
            happened = Happened(outcome=self._watch.worst)
        except Failure as failure:
            ended = failure
            happened = failed_with(failure)
        finally:
            await stack.aclose()
            unfinished = await hooks.after(happened, hurried=happened.outcome is Outcome.INTERRUPTED)
        return ended, unfinished

    async def _create(self, hooks: Hooks, stack: AsyncExitStack, opened: _Opened | None) -> Ended:
        subject = self._subject
        with self._watch.step(Step.CREATE) as report:
            session, leg = opened or await self._open(hooks.master, stack, report)
            async with self._moving(session):
                ended = await session.run(
                    subject.plan.server,
                    subject.repository,
                    entrance=leg.entrance,
                    pid_file=subject.vault.pid_file,
                    passphrase=self._target.passphrase.get_secret_value(),
                    quota=self._target.options.quota,
                    gated=self._target.options.gate or subject.sockets is not None,
                    socket=subject.sockets.append_of(self._target) if subject.sockets else "",
                    heard=self._watch.hearing(f"borg {subject.party}", Step.CREATE),
                    server_heard=self._watch.hearing(f"borg {BACKUP_SERVER}", Step.CREATE),
                )
            self._show_claim(ended)
            self._watch.settle(report, ended, "create", party=subject.party)
            return ended

    @asynccontextmanager
    async def _moving(self, session: TargetSession) -> AsyncIterator[None]:
        """Raise Failure when T's connection moves nothing but keepalives for as long as StallTimeout says."""
        seconds = self._target.options.stall_timeout
        try:
            async with asyncio.timeout(seconds) as limit:
                watch = asyncio.create_task(_prolong(limit, session.moved, seconds))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError:
            if not limit.expired():
                raise
            raise await self._hung(f"has moved no byte for {seconds:.0f} s (StallTimeout)") from None

    def _show_claim(self, ended: Ended) -> None:
        claimed = read_created(ended.stdout)
        if claimed is not None:
            self._emit(
                ArchiveProgress(
                    target=self._target.name,
                    original_size=claimed.original_size,
                    deduplicated_size=claimed.deduplicated_size,
                    files=claimed.files,
                )
            )

    async def _verify(self, ended: Ended | Failure) -> None:
        with self._watch.step(Step.VERIFY) as report:
            verdict = await self._judged(ended)
            claimed = None if isinstance(ended, Failure) else read_created(ended.stdout)
            self._check_due = isinstance(ended, Ended) and self._upkeep.check_is_due()
            await self._custody.settle(claimed, checking=self._check_due)
            if isinstance(ended, Ended):
                self._believe(ended, claimed, verdict)
            else:
                report.detail = "nothing older was touched"
        if isinstance(ended, Failure):
            raise ended

    async def _judged(self, ended: Ended | Failure) -> Verdict:
        try:
            return await self._custody.verify()
        except TamperedError:
            raise
        except Failure:
            # What already went wrong says more than that the look at it failed too.
            if isinstance(ended, Failure):
                raise ended from None
            raise

    def _believe(self, ended: Ended, claimed: Archive | None, verdict: Verdict) -> None:
        written = next((archive for archive in verdict.added if archive.name == self._archive), None)
        party = self._subject.party
        if written is None:
            raise Failure(
                party,
                "its borg claims success, but wrote no archive",
                hint="look at the borg on that target: it is not the program it should be",
            )
        if claimed is None:
            raise Failure(
                party,
                "its borg wrote an archive but says nothing of what it holds",
                hint="look at the borg on that target: something keeps back what it prints",
            )
        self._emit(
            ArchiveCreated(
                target=self._target.name,
                name=written.name,
                archive_id=written.id,
                original_size=claimed.original_size,
                deduplicated_size=claimed.deduplicated_size,
                files=claimed.files,
            )
        )
        self._refuse_unread(ended)
        if claimed.files == 0:
            raise Failure(
                party,
                "the archive holds no file at all",
                hint="check SourcePaths and Excludes, and that the user on T may read them",
            )

    def _refuse_unread(self, ended: Ended) -> None:
        # A path that vanished or was closed between our look and borg's: borg itself only warns.
        for path in self._target.source_paths:
            lost = [m.text for m in ended.said.warnings if m.text.startswith(f"{clean(path)}: ")]
            if lost and "changed while" not in lost[0]:
                raise Failure(
                    self._subject.party,
                    f"a source path could not be read: {lost[0]}",
                    hint="let the user of the connection read it, or take it out of SourcePaths",
                )


async def _prolong(limit: asyncio.Timeout, moved: Callable[[], int], seconds: float) -> None:
    every = min(_SAMPLE_SECONDS, seconds / 3)
    before = moved()
    while True:
        await asyncio.sleep(every)
        if (now := moved()) - before > _KEEPALIVES * every or now < 0:
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
            before = now
