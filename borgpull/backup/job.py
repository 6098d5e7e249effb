"""The backup of one target, in its order: connect, inspect, create, streams, verify, check, prune, compact.

However a session of the target ended, its repository is verified before anything else is done with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from ..borg import WARNED
from ..config import Target
from ..errors import BACKUP_SERVER, Absent, AtWork, Failure, NoSpace, TamperedError, command_line, plural
from ..events import Estimated, Outcome, Step
from ..format import span
from ..ledger import Entry, Phase
from ..repository.connected_target import TargetSession, connected_target
from ..repository.context import RunContext, TargetContext
from ..repository.maintenance import Maintenance, retention_of
from ..repository.space import Allowance
from ..repository.status import RUN, last_good
from ..repository.step_events import NO_LINKS, NO_LINKS_HINT, StepReport
from ..repository.verification import Verification
from ..retention import archive_name
from ..ssh import is_unreachable
from ..transport import BorgResult, CreateArchive, CreateFromCommand, DeleteCache, Preflight, TargetCommand
from .attempt import Attempt, judge_attempt, judge_left, show_reported
from .hooks import HookContext, Hooks, failed_with
from .stall import in_time, moving
from .streams import Reading, StreamFailure

_SECONDS_TO_REMEMBER = 30.0
_FELL_BACK = "over stdio: its sshd refuses to forward"


async def back_up(
    run_context: RunContext, target: Target, *, deadline: float, is_last: Callable[[Failure], Awaitable[bool]]
) -> Outcome:
    """Back up one target; return DONE, WARNING or HELD. `deadline` is by the clock of the event loop.

    `is_last` says of a failure whether the target has failed with it, or will be tried again.
    Raises Failure when a step fails or hangs, and TamperedError when the repository is not as it should be.
    """
    context = TargetContext(run_context, target)
    job = _Job(context)
    try:
        async with in_time(context, deadline):
            return await job.run()
    except (TamperedError, AtWork):
        # A target that may be hostile does not learn what was noticed; and where another run is at work nothing failed.
        raise
    except Failure as failure:
        if target.may_be_absent and not job.connected and failure.party == context.party and is_unreachable(failure):
            raise await _absent_or_failed(context, failure) from None
        if target.on_failure and job.connected and await is_last(failure):
            try:
                # In a connection of its own: the one of the backup may be what failed.
                async with connected_target(context) as session:
                    await Hooks(context, session.master, job.archive).failed(failure)
            except Failure as unreachable:
                context.warn(f"OnFailure could not run: {unreachable}", unreachable.hint)
        raise


async def _absent_or_failed(context: TargetContext, failure: Failure) -> Failure:
    """Return that a target that did not answer is absent, or has failed, by the age of its last good archive."""
    known, most = (await context.store.read_evidence()).ledger, context.target.may_be_absent
    last = last_good(known, time.time()) if known else None
    if last is None:
        failure.cause = f"{failure.cause}; it was never backed up, so it may not be absent yet"
        return failure
    cause = f"{failure.cause}; its last good archive is {span(last.age)} old"
    if last.age <= most:
        return Absent(failure.party, cause, hint="")
    hint = f"MayBeAbsent allows {span(most)}: switch it on; {failure.hint}"
    return Failure(failure.party, cause, hint=hint, detail=failure.detail, transient=True)


class _Job:
    def __init__(self, context: TargetContext) -> None:
        self._context = context
        self._target = context.target
        self._events = context.events
        self._verification = Verification(context)
        self._maintenance = Maintenance(context, self._verification)
        self._begun = time.time()
        self.archive = archive_name(self._begun)
        self._command = CreateArchive(context, self.archive)
        self.connected = False
        self._attempt: Attempt | None = None
        self._allowance = Allowance(quota="")
        self._failures: list[Failure] = []
        self._check_due = self._check_overdue = False

    async def run(self) -> Outcome:
        context = self._context
        async with AsyncExitStack() as connection, AsyncExitStack() as lock:
            with self._events.step(Step.CONNECT):
                session, preflight = await self._connect(connection, lock)
            with self._events.step(Step.INSPECT) as report:
                await self._inspect(report, preflight)
            hooks = Hooks(context, session.master, self.archive)
            async with self._after(hooks):
                await hooks.before()
                await self._create(session, preflight)
                await self._streams(session)
            await connection.aclose()
            with self._collecting():
                await self._verify(last=True)
            no_space = self._raise_unless_short()
            with self._collecting():
                # Prune does not wait for an overdue check: one that never ends would keep everything for ever.
                await self._check(overdue=False)
                if no_space:
                    await self._maintenance.make_room(no_space)
                else:
                    await self._maintenance.prune()
                    await self._maintenance.compact()
                await self._check(overdue=True)
            self._raise_worst()
            await self._remember()
        return self._events.worst

    async def _remember(self) -> None:
        """Write the history entry of a run that ends well; when that fails, the outcome is the same."""
        try:
            async with asyncio.timeout(_SECONDS_TO_REMEMBER):
                await self._context.store.remember(Entry(what=RUN, outcome=self._events.worst))
        except (Failure, TimeoutError) as failure:
            self._events.said(BACKUP_SERVER, f"the history was not written: {failure}")

    async def _connect(self, connection: AsyncExitStack, lock: AsyncExitStack) -> tuple[TargetSession, Preflight]:
        """Connect to the target and ask it for what it has, and lock the repository meanwhile.

        Raises the first Failure; what goes on beside it then ends.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                reached = tasks.create_task(self._reach(connection))
                await lock.enter_async_context(self._context.store.locked())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return reached.result()

    async def _reach(self, connection: AsyncExitStack) -> tuple[TargetSession, Preflight]:
        session = await connection.enter_async_context(connected_target(self._context))
        preflight = await session.preflight(self._command)
        self.connected = True
        if not self._target.before:
            preflight.require_all()
        return session, preflight

    async def _inspect(self, report: StepReport, preflight: Preflight) -> None:
        """Verify the repository, or create it; keep a snapshot; write to the ledger which archive may be added."""
        verification, name = self._verification, self._target.name
        report.detail = await verification.inspect(preflight.seen)
        self._warn_of_takeover(report.detail)
        self._warn_of_first(report)
        await judge_left(self._context, verification)
        if self._has_archive():
            raise Failure(
                BACKUP_SERVER,
                f"the archive {self.archive} exists already, from a run within the same second",
                hint="run it again",
                transient=True,
            )
        known = verification.verified
        if known.size:
            self._context.emit(Estimated(target=name, original_size=known.size, files=known.files))
        await verification.open(self.archive, time.time())
        self._attempt = Attempt(self._context, self.archive)
        if not verification.verified.has_hard_links:
            self._context.warn(NO_LINKS, NO_LINKS_HINT)

    def _has_archive(self) -> bool:
        return any(archive.name == self.archive for archive in self._verification.verified.evidence.archives)

    def _warn_of_first(self, report: StepReport) -> None:
        """Warn, once a run, of the first repository below a RootDir: a disk that is not mounted looks so."""
        root = self._context.server.root
        if self._verification.made_first and not root.has_warned:
            root.has_warned = True
            self._events.worsen(report, Outcome.WARNING)
            text = "made the first repository below RootDir, where borgpull had nothing yet"
            hint = "if a disk should be mounted there, move this repository away and mount it; else ignore this"
            self._context.warn(text, hint)

    def _warn_of_takeover(self, detail: str) -> None:
        if self._verification.taken_over:
            known = self._verification.verified
            foreign = retention_of(self._context.config, self._target, known, now=self._begun).foreign
            words = plural(foreign, "archive is not borgpull's and is", "archives are not borgpull's and are")
            alone = f"; {words} left alone" if foreign else ""
            hint = f"{command_line('list', self._target.name, '--why')} shows what happens to each; see PruneAlso"
            self._context.warn(f"{detail}{alone}", hint)

    @asynccontextmanager
    async def _after(self, hooks: Hooks) -> AsyncIterator[None]:
        """Run After however the context ends. Failures go into `_failures`: what the session left is verified first."""
        hook_context = HookContext(outcome=Outcome.INTERRUPTED)
        try:
            yield
            worst = self._events.worst
            hook_context = failed_with(self._failures[0]) if self._failures else HookContext(outcome=worst)
        except Failure as failure:
            self._failures.append(failure)
            if self._attempt:
                self._attempt.ended = failure
            hook_context = failed_with(failure)
        finally:
            if failed := await hooks.after(hook_context):
                self._failures.append(failed)

    async def _create(self, session: TargetSession, preflight: Preflight) -> None:
        """Let the target add the archive of its source paths."""
        with self._events.step(Step.CREATE) as report:
            if self._target.before:
                preflight = await session.preflight(self._command)
                preflight.require_all()
            self._allowance = self._verification.allow()
            ended = await self._run(session, report, self._command, preflight)
            if not ended.is_unknown:
                self._report_result(report, ended)
                return
            failure = ended.failure(self._context.party, "create")
            report.outcome, report.detail = Outcome.FAILED, failure.cause
            self._ended_with(failure)
        await self._create_without_cache(session, preflight, failure)

    async def _create_without_cache(self, session: TargetSession, preflight: Preflight, failure: Failure) -> None:
        """Delete the cache of the target's borg, which a full disk or a crash may have damaged, and create again."""
        await self._verify(last=False)
        if self._has_archive():
            raise failure
        await self._verification.open(self.archive, time.time(), further=True)
        self._attempt = Attempt(self._context, self.archive, ended=failure)
        with self._events.step(Step.CREATE, "its borg cache may be damaged: deletes it and tries again") as report:
            self._allowance = self._verification.allow()
            if (await self._run(session, report, DeleteCache(self._context))).status not in (0, WARNED):
                repository_id = self._verification.verified.evidence.repository_id
                folder = f"{'~root' if self._target.sudo_user else '~'}/.cache/borg/{repository_id}"
                failure.hint = f"its cache may be damaged, and could not be deleted: run `rm -rf {folder}` there"
                raise failure
        with self._events.step(Step.CREATE) as report:
            self._report_result(report, await self._run(session, report, self._command, preflight))

    async def _streams(self, session: TargetSession) -> None:
        """Let the target add what each stream prints. A failed stream stops no other: it is raised at the end."""
        for number, stream in enumerate(self._target.streams):
            await self._verify(last=False)
            reading = Reading(self._context, stream, number)
            with self._events.step(Step.STREAM, stream.name) as report:
                archive = archive_name(self._begun, stream=stream.name)
                await self._verification.open(archive, time.time(), further=True)
                self._attempt = Attempt(self._context, archive, reading)
                self._allowance = self._verification.allow()
                command = CreateFromCommand(self._context, archive, stream)
                with reading.followed():
                    ended = reading.ended = await self._run(session, report, command)
                if failure := reading.failure():
                    self._failures.append(failure)
                    self._ended_with(failure)
                    report.outcome = Outcome.FAILED
                else:
                    self._report_result(report, ended)

    async def _run(
        self, session: TargetSession, report: StepReport, command: TargetCommand, preflight: Preflight | None = None
    ) -> BorgResult:
        """Run a command on the target, within its allowance, for as long as it moves bytes."""
        attempt = self._attempt
        if attempt and preflight:
            attempt.sources = preflight.sources
            attempt.began = time.monotonic()
        on_output = attempt.reading.on_output if attempt and attempt.reading else None
        async with moving(self._context, session):
            ended = await session.run(command, on_output=on_output, quota=self._allowance.quota)
        if ended.fell_back:
            report.detail = ", ".join(filter(None, (report.detail, _FELL_BACK)))
        return ended

    def _report_result(self, report: StepReport, ended: BorgResult) -> None:
        """Report how a borg that created an archive ended. Raises Failure when it failed."""
        show_reported(self._context, ended)
        party, warn = self._context.party, self._target.warn_on_change
        try:
            self._events.report_result(report, ended, "create", party=party, warn_on_change=warn)
        except NoSpace as failure:
            raise self._allowance.named(failure) from None
        self._ended_with(ended)

    def _ended_with(self, ended: BorgResult | Failure) -> None:
        if self._attempt:
            self._attempt.ended, self._attempt.ended_at = ended, time.monotonic()

    async def _verify(self, *, last: bool) -> None:
        """Verify what the last session left, unless that is done, and judge its archive."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        try:
            with self._events.step(Step.VERIFY) as report:
                self._check_overdue = self._maintenance.check_is_overdue()
                others = [each for each in self._failures if not isinstance(each, NoSpace)]
                self._check_due = last and not others and self._maintenance.check_is_due()
                await judge_attempt(self._verification, attempt, report, checking=self._check_due)
        except StreamFailure as failure:
            # A stream that printed nothing stops no other.
            self._failures.append(failure)

    async def _check(self, *, overdue: bool) -> None:
        if self._check_overdue is overdue:
            await self._maintenance.check(due=self._check_due)

    @contextlib.contextmanager
    def _collecting(self) -> Iterator[None]:
        try:
            yield
        except Failure as failure:
            self._failures.append(failure)

    def _raise_unless_short(self) -> NoSpace | None:
        """Raise the worst failure; but when only space was short, return that: pruning helps."""
        short = next((each for each in self._failures if isinstance(each, NoSpace)), None)
        alone = all(isinstance(each, (NoSpace, StreamFailure)) for each in self._failures)
        if short is None or not alone or self._verification.verified.phase is not Phase.CLEAN:
            self._raise_worst()
        return short

    def _raise_worst(self) -> None:
        """Raise the worst failure, if there is any; the others become warnings."""
        failures = sorted(dict.fromkeys(self._failures), key=_rank)
        for failure in failures[1:]:
            self._context.warn(f"{failure.party}: {failure.cause}", failure.hint)
        if failures:
            raise failures[0]


def _rank(failure: Failure) -> int:
    # A transient failure is tried again, and the streams with it: it counts before theirs.
    return 0 if isinstance(failure, TamperedError) else 2 if isinstance(failure, StreamFailure) else 1
