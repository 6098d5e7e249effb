"""The backup of one target: connect, inspect, create, verify, check, prune, compact. Each step is told as it goes.

However T's session ended, its repository is verified before anything else is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from ..borg import WARNED, archive_names
from ..borg.excludes import left_out
from ..borg.output import Archive, read_created
from ..config import Target
from ..errors import BACKUP_SERVER, Failure, NoSpace, TamperedError
from ..events import Estimated, Outcome, Step
from ..guard import Archive as RepositoryArchive
from ..guard import Verdict
from ..ledger import Phase
from ..repository.context import RunContext, TargetContext
from ..repository.holds import compare
from ..repository.maintenance import Maintenance, retention_of
from ..repository.session import Opened, connected_target, opened, seen_there
from ..repository.space import Allowance
from ..repository.step_events import StepReport
from ..repository.verification import Verification
from ..retention import ArchiveState, Facts, Source
from ..ssh import Master, fingerprints
from ..transport import BorgResult, CreateArchive, CreateFromCommand, DeleteCache, TargetCommand
from .hooks import HookContext, Hooks, failed_with
from .judge import confirm_archive, judge_left, note_of, refusal, show_reported
from .stall import hung, moving
from .streams import Reading, StreamFailure

_FELL_BACK = "over stdio: its sshd refuses to forward"


@dataclass
class _Made:
    """An archive that T may add in its present session, of a stream or of its source paths; and how that ended."""

    archive: str
    reading: Reading | None = None
    ended: BorgResult | Failure = field(default_factory=BorgResult)
    sources: tuple[Source, ...] = ()
    began: float = field(default_factory=time.monotonic)
    ended_at: float = field(default_factory=time.monotonic)


async def back_up(
    run_context: RunContext, target: Target, *, deadline: float, is_last: Callable[[Failure], bool]
) -> Outcome:
    """Back up one target; return DONE or WARNING. `deadline` is by the clock of the event loop.

    `is_last` tells of a failure whether the target has failed with it, or will be tried again.

    Raises Failure, naming the party, when a step fails or hangs, and TamperedError when the repository is not as it
    should be.
    """
    return await _Job(TargetContext(run_context, target), deadline).run(is_last)


class _Job:
    def __init__(self, context: TargetContext, deadline: float) -> None:
        self._context = context
        self._deadline = deadline
        self._target = context.target
        self._events = context.events
        self._verification = Verification(context)
        self._begun = time.time()
        self._archive = archive_names.archive_name(self._begun)
        self._backup = CreateArchive(target=context.target, repository=context.repository, archive=self._archive)
        self._made: _Made | None = None
        self._allowance = Allowance(quota="")
        self._failures: list[Failure] = []
        self._maintenance = Maintenance(context, self._verification)
        self._check_due = self._check_overdue = False
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
        return self._events.worst

    async def _in_time(self, connection: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout_at(self._deadline) as limit:
                await self._steps(connection)
        except TimeoutError:
            if not limit.expired():
                raise
            span = round(self._target.timeout)
            raise await hung(self._context, f"was not done within {span} s in all (Timeout)") from None

    async def _steps(self, connection: AsyncExitStack) -> None:
        async with AsyncExitStack() as lock:
            async with AsyncExitStack() as session:
                hooks, ready = await self._connect(connection, session)
                await self._inspect(lock, hooks, ready)
                await self._between(hooks, session, ready)
            if not self._target.on_failure:
                await connection.aclose()
            try:
                await self._judge(last=True)
            except Failure as failure:
                self._failures.append(failure)
            short = self._short()
            if not short:
                self._raise_worst()
            try:
                await self._maintain(short)
            except Failure as failure:
                self._failures.append(failure)
            self._raise_worst()

    async def _maintain(self, short: NoSpace | None) -> None:
        # A check that never comes to its end would keep everything for ever.
        if not self._check_overdue:
            await self._maintenance.check(due=self._check_due)
        await self._maintenance.make_room(short) if short else await self._maintenance.tidy()
        if self._check_overdue:
            await self._maintenance.check(due=self._check_due)

    async def _connect(self, connection: AsyncExitStack, session: AsyncExitStack) -> tuple[Hooks, Opened | None]:
        """Connect to T, and look around there: not yet where Before may bring about what is looked for."""
        with self._events.step(Step.CONNECT) as report:
            master = await connection.enter_async_context(connected_target(self._context))
            self._hooks = Hooks(self._context, master, self._archive)
            if self._target.before:
                return self._hooks, None
            return self._hooks, await self._open(master, session, report, self._backup)

    async def _open(
        self, master: Master, stack: AsyncExitStack, report: StepReport, command_for: TargetCommand
    ) -> Opened:
        session = await stack.enter_async_context(opened(self._context, master, command_for))
        if session.forwarded.fell_back:
            report.detail = ", ".join(filter(None, (report.detail, _FELL_BACK)))
        return session

    async def _inspect(self, lock: AsyncExitStack, hooks: Hooks, ready: Opened | None) -> None:
        with self._events.step(Step.INSPECT) as report:
            await lock.enter_async_context(self._context.vault.held())
            report.detail = await self._verification.inspect(lambda: seen_there(self._context, hooks.master, ready))
            self._tell_takeover(report.detail)
            self._tell_first(report)
            await judge_left(self._context, self._verification)
            known = self._verification.verified
            if any(archive.name == self._archive for archive in known.evidence.archives):
                raise Failure(
                    BACKUP_SERVER,
                    f"there is an archive {self._archive} already, of a run within the same second",
                    hint="run it again",
                    transient=True,
                )
            if known.size:
                self._context.emit(Estimated(target=self._target.name, original_size=known.size, files=known.files))
            await self._verification.open(self._archive, time.time())
            self._made = _Made(self._archive)
            if not self._verification.verified.linked:
                self._events.warn_without_links()

    def _tell_first(self, report: StepReport) -> None:
        """Warn, once a run, of the first repository below a RootDir: a disk that is not mounted looks so."""
        root = self._context.server.root
        if self._verification.made and root.is_new:
            root.is_new = False
            self._events.worsen(report, Outcome.WARNING)
            text = "made the first repository below RootDir, where borgpull had nothing yet"
            hint = "if a disk should be mounted there, move this away and mount it; else all is well"
            self._context.warn(text, hint)

    def _tell_takeover(self, what: str) -> None:
        if self._verification.taken_over:
            foreign = retention_of(self._context, self._verification.verified).foreign
            alone = f"; {foreign} archives are not borgpull's and are left alone" if foreign else ""
            hint = f"`borgpull list {self._target.name} --why` tells what becomes of each; see PruneAlso"
            self._context.warn(f"{what}{alone}", hint)

    async def _between(self, hooks: Hooks, stack: AsyncExitStack, ready: Opened | None) -> None:
        """Run Before, the sessions and After; what failed is then in `_failures`.

        What a failure left on B is judged all the same. After runs however it ended, once T has no session any more.
        """
        happened = HookContext(outcome=Outcome.INTERRUPTED)
        try:
            await hooks.before()
            await self._sessions(hooks.master, stack, ready)
            happened = failed_with(self._failures[0]) if self._failures else HookContext(outcome=self._events.worst)
        except Failure as failure:
            self._failures.append(failure)
            if self._made:
                self._made.ended = failure
            happened = failed_with(failure)
        finally:
            await stack.aclose()
            if unfinished := await hooks.after(happened, hurried=happened.outcome is Outcome.INTERRUPTED):
                self._failures.append(unfinished)

    async def _sessions(self, master: Master, stack: AsyncExitStack, ready: Opened | None) -> None:
        """Let T add one archive in each session. What a session left is judged before the next one begins."""
        if failure := await self._create(master, stack, ready):
            await self._without_cache(master, stack, failure)
        for number, stream in enumerate(self._target.streams):
            await stack.aclose()
            await self._judge(last=False)
            await self._read(master, stack, Reading(self._context, stream, number))

    async def _without_cache(self, master: Master, stack: AsyncExitStack, failure: Failure) -> None:
        """Have T's borg drop its cache, which a full disk or a crash may have damaged, and create the archive anew."""
        await stack.aclose()
        await self._judge(last=False)
        known = self._verification.verified
        if any(archive.name == self._archive for archive in known.evidence.archives):
            raise failure
        await self._verification.open(self._archive, time.time(), further=True)
        self._made = _Made(self._archive, ended=failure)
        with self._events.step(Step.CREATE, "borg's cache there may be damaged: it is made anew") as report:
            session = await self._open(
                master, stack, report, DeleteCache(target=self._target, repository=self._context.repository)
            )
            if (await session.run(Step.CREATE, quota=self._allowance.quota)).status not in (0, WARNED):
                folder = f"{'~root' if self._target.sudo_user else '~'}/.cache/borg/{known.evidence.repository_id}"
                failure.hint = f"its cache may be damaged, and could not be removed: `rm -rf {folder}` there"
                raise failure
            await stack.aclose()
        await self._create(master, stack, None, again=True)

    async def _create(
        self, master: Master, stack: AsyncExitStack, ready: Opened | None, *, again: bool = False
    ) -> Failure | None:
        """Let T add the archive; return how its borg failed where it may do better without its cache."""
        with self._events.step(Step.CREATE) as report:
            self._allowance = self._verification.allow()
            session = ready or await self._open(master, stack, report, self._backup)
            if self._made:
                self._made.sources, self._made.began = session.session.sources, time.monotonic()
            async with moving(self._context, session.session):
                ended = await session.run(Step.CREATE, quota=self._allowance.quota)
            if ended.is_unknown and not again and self._made:
                self._made.ended = failure = ended.failure(self._context.party, "create")
                report.outcome, report.detail = Outcome.FAILED, failure.cause
                return failure
            self._settle(report, ended)
            return None

    async def _read(self, master: Master, stack: AsyncExitStack, reading: Reading) -> None:
        """Let T add what a stream prints. A command that fails is told when all is done: other streams may be good."""
        with self._events.step(Step.STREAM, reading.stream.name) as report:
            archive = archive_names.archive_name(self._begun, stream=reading.stream.name)
            await self._verification.open(archive, time.time(), further=True)
            self._made = _Made(archive, reading)
            self._allowance = self._verification.allow()
            repository, stream = self._context.repository, reading.stream
            dump = CreateFromCommand(target=self._target, repository=repository, archive=archive, stream=stream)
            session = await self._open(master, stack, report, dump)
            with reading.followed():
                async with moving(self._context, session.session):
                    quota = self._allowance.quota
                    ended = reading.ended = await session.run(Step.STREAM, reading.on_output, quota=quota)
            if failure := reading.failure():
                self._failures.append(failure)
                self._made.ended = failure
                report.outcome = Outcome.FAILED
            else:
                self._settle(report, ended)

    def _settle(self, report: StepReport, ended: BorgResult) -> None:
        show_reported(self._context, ended)
        warn = self._target.warn_on_change
        try:
            self._events.settle(report, ended, "create", party=self._context.party, warn_on_change=warn)
        except NoSpace as failure:
            raise self._allowance.named(failure) from None
        if self._made:
            self._made.ended, self._made.ended_at = ended, time.monotonic()

    async def _judge(self, *, last: bool) -> None:
        """Judge what the session before left, if it was not yet; that a stream has nothing in it is told later."""
        made, self._made = self._made, None
        if made is None:
            return
        try:
            await self._verify(made, last=last)
        except StreamFailure as failure:
            self._failures.append(failure)

    async def _verify(self, made: _Made, *, last: bool) -> None:
        ended, reading = made.ended, made.reading
        with self._events.step(Step.VERIFY) as report:
            used = self._verification.verified.evidence.used
            verdict = await self._judged(ended)
            self._give_back(used)
            reported = read_created(ended.stdout) if isinstance(ended, BorgResult) else None
            self._check_overdue = self._maintenance.check_is_overdue()
            others = [each for each in self._failures if not isinstance(each, NoSpace)]
            self._check_due = last and not others and self._maintenance.check_is_due()
            refused = self._refusal(made, reported)
            added = next((each for each in verdict.added if each.name == made.archive), None)
            if added:
                note = note_of(self._context, ended, reported, refused, stream=reading is not None)
                self._verification.note(added.id, note)
                if reported and note.state is ArchiveState.GOOD:
                    facts = self._facts(made, added, reported, used)
                    await compare(self._context, self._verification, added.id, facts, report)
            # How much there is to read is said by the good archives of the source paths alone.
            told = None if reading or refused else reported
            await self._verification.settle(told, checking=self._check_due)
            if isinstance(ended, BorgResult):
                stream = reading.stream.name if reading else ""
                confirm_archive(self._context, reported, verdict, name=made.archive, stream=stream)
                if refused:
                    report.detail = "its archive is set aside"
                    raise refused
            else:
                report.detail = "nothing older was touched"

    def _facts(self, made: _Made, added: RepositoryArchive, reported: Archive, used: int) -> Facts:
        """Return what is known of an archive that a session added, and what its borg says of it."""
        now, target = self._verification.verified.evidence.used, self._target
        return Facts(
            files=reported.files,
            size=reported.original_size,
            new=max(0, now - used) if used >= 0 and now >= 0 else -1,
            stream=made.reading.stream.name if made.reading else "",
            started=added.seconds,
            seconds=round(made.ended_at - made.began, 1),
            sources=tuple(replace(each, excluded=left_out(each.path, target.excludes)) for each in made.sources),
            keys=frozenset() if made.reading else fingerprints(target.connection.known_host),
        )

    def _give_back(self, used: int) -> None:
        """Let others have what the session did not add; what it left uncommitted takes its space still."""
        now = self._verification.verified.evidence
        if used >= 0 and now.used >= 0 and not now.beyond:
            self._context.claim.settle(now.used - used)

    def _short(self) -> NoSpace | None:
        """Return that there was no room, when nothing else went wrong and what is there was verified."""
        if self._verification.verified.phase is not Phase.CLEAN:
            return None
        short = [each for each in self._failures if isinstance(each, NoSpace)]
        alone = all(isinstance(each, (NoSpace, StreamFailure)) for each in self._failures)
        return short[0] if short and alone else None

    def _refusal(self, made: _Made, reported: Archive | None) -> Failure | None:
        """Return why the archive that was made is no backup, if it is none."""
        if isinstance(made.ended, StreamFailure):
            return made.ended
        if made.reading:
            return made.reading.nothing() if isinstance(made.ended, BorgResult) else None
        return refusal(self._context, made.ended, reported) if isinstance(made.ended, BorgResult) and reported else None

    async def _judged(self, ended: BorgResult | Failure) -> Verdict:
        try:
            return await self._verification.verify()
        except TamperedError:
            raise
        except Failure:
            # What already went wrong says more than that the look at it failed too.
            if isinstance(ended, Failure) and not isinstance(ended, StreamFailure):
                raise ended from None
            raise

    def _raise_worst(self) -> None:
        """Raise the worst of what failed, if anything did; the rest of it are warnings."""
        failures = sorted(dict.fromkeys(self._failures), key=_rank)
        for failure in failures[1:]:
            self._context.warn(f"{failure.party}: {failure.cause}", failure.hint)
        if failures:
            raise failures[0]


def _rank(failure: Failure) -> int:
    # What may pass by itself is tried again, and the streams with it.
    return 0 if isinstance(failure, TamperedError) else 2 if isinstance(failure, StreamFailure) else 1
