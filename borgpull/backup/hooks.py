"""Before, After and OnFailure: the operator's own commands on the target, each in a session of its own.

They run outside of every borg session, and see neither its socket nor the passphrase nor its standard input. Their text
is in no argv, here or there, nor in a message, for it may hold a password. What they print is untrusted text.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from dataclasses import dataclass

from .. import process, ssh
from ..errors import Failure, TamperedError
from ..events import CommandFinished, Outcome, Step
from ..repository.context import TargetContext
from ..untrusted import clean, last_telling
from .streams import HINT, NO_STATUS

# How long all of After or OnFailure may run when the target has no time left, or the run was stopped.
PATIENCE_SECONDS = 60.0
# To stop a command takes a SIGTERM, and a SIGKILL when it has not ended within ten seconds.
_END_SECONDS = 15.0

# $1 is the mark. Once it has said that it is ready, standard input has the size in bytes, the command, the mark; then
# beats, and without them, or when it ends, the command and what it started are ended. It never runs a part of a
# command: without the mark at its end, a link was cut. sshd gives each session a process group of its own (OpenSSH
# 9.2); without one (dropbear) only the command's shell is ended. What the command leaves running in the background does
# not keep the session open.
_SCRIPT = (
    ssh.WATCHDOG
    + r"""
exec 3<&0 </dev/null 2>&1
printf '\n%s ready\n' "$1"
IFS= read -r size <&3 || exit 90
command=$(dd bs=1 count="$size" <&3 2>/dev/null)
case $command in *"$1") command=${command%"$1"} ;; *) exit 90 ;; esac
began $$
trap : TERM
( exec 3<&-; set --; eval "$command" ) &
p=$!
beats | {
  trap '' TERM
  until_silent
  if [ "$group" = $$ ]; then all=0; else all=$p; fi
  kill -TERM $all
  while_for 10 kill -0 $p
  kill -KILL $all
} >/dev/null 2>&1 &
w=$!
exec 3<&-
wait $p
r=$?
while kill -0 $p 2>/dev/null; do wait $p; r=$?; done
kill -KILL $w 2>/dev/null
printf '\n%s exit %s\n' "$1" "$r"
"""
)


@dataclass(frozen=True, kw_only=True)
class HookContext:
    """What the commands after a backup get in their environment: its outcome, and its error in words."""

    outcome: Outcome
    error: str = ""


def failed_with(failure: Failure) -> HookContext:
    """Return the context of a failure; a target that may be hostile does not learn what was noticed."""
    error = "" if isinstance(failure, TamperedError) else f"{failure.party}: {failure.cause}"
    return HookContext(outcome=Outcome.FAILED, error=error)


class Hooks:
    """The commands of one target, over its connection; `archive` is the name of the archive that it may add."""

    def __init__(self, context: TargetContext, master: ssh.Master, archive: str) -> None:
        self._context = context
        self._target = context.target
        self._master = master
        self._archive = archive

    async def before(self) -> None:
        """Run Before, one command after the other. Raises Failure at the first that fails."""
        if self._target.before:
            with self._context.events.step(Step.BEFORE):
                for number, command in enumerate(self._target.before):
                    await self._run(f"Before[{number}]", command, seconds=None)

    async def after(self, hook_context: HookContext) -> Failure | None:
        """Run all of After, even when one fails; return the first failure."""
        if not self._target.after:
            return None
        hurried = hook_context.outcome is Outcome.INTERRUPTED
        with self._context.events.step(Step.AFTER) as report:
            failures = await self._run_all("After", self._target.after, hook_context, hurried=hurried)
            report.outcome = Outcome.FAILED if failures else Outcome.DONE
        return failures[0] if failures else None

    async def failed(self, failure: Failure) -> None:
        """Run all of OnFailure. A command that fails is a warning: why the target failed matters more."""
        with self._context.events.step(Step.ON_FAILURE) as report:
            failures = await self._run_all("OnFailure", self._target.on_failure, failed_with(failure), hurried=True)
            report.outcome = Outcome.WARNING if failures else Outcome.DONE
        for each in failures:
            self._context.warn(f"{each.party}: {each.cause}", each.hint)

    async def _run_all(
        self, kind: str, commands: tuple[str, ...], hook_context: HookContext, *, hurried: bool
    ) -> list[Failure]:
        """Run every command. When `hurried`, or after a first cancellation, PATIENCE_SECONDS are left for all."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + PATIENCE_SECONDS if hurried else None
        failures: list[Failure] = []
        stopped: asyncio.CancelledError | None = None
        for number, command in enumerate(commands):
            try:
                seconds = None if limit is None else max(0.0, limit - loop.time())
                await self._run(f"{kind}[{number}]", command, seconds=seconds, hook_context=hook_context)
            except Failure as failure:
                failures.append(failure)
            except asyncio.CancelledError as error:
                if stopped or hurried:
                    raise
                stopped, limit = error, loop.time() + PATIENCE_SECONDS
        if stopped:
            raise stopped
        return failures

    async def _run(
        self, name: str, command: str, *, seconds: float | None, hook_context: HookContext | None = None
    ) -> None:
        said = process.Tail()
        status = NO_STATUS
        try:
            async with asyncio.timeout(seconds) as limit:
                status = await self._run_in_session(command, said, hook_context)
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            output = tuple(said.text.splitlines())
            self._context.emit(CommandFinished(target=self._target.name, command=name, status=status, output=output))
        if status != 0:
            how = "did not end in time" if status == NO_STATUS else f"failed (exit {status})"
            raise self._context.failure(": ".join([f"the command {name} {how}", *last_telling(output)]), hint=HINT)

    async def _run_in_session(self, command: str, said: process.Tail, hook_context: HookContext | None) -> int:
        """Run a command in a session of its own; return its exit status. Cancelled, it first ends the command."""
        mark = secrets.token_hex(16)
        script = ssh.exports(self._environment(hook_context)) + _SCRIPT
        async with ssh.script_session(self._master, script, mark) as child:
            errors = asyncio.create_task(process.read_all(child.stderr))
            try:
                return await self._read_output(child, mark, (command + mark).encode(), said, errors)
            except BaseException:
                # What it started on the target ends before anything else is done there.
                child.close_stdin()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await process.read_all(child.stdout)
                raise
            finally:
                errors.cancel()

    def _environment(self, hook_context: HookContext | None) -> dict[str, str]:
        values = {"TARGET": self._target.name, "ARCHIVE": self._archive}
        if hook_context:
            values |= {"OUTCOME": str(hook_context.outcome), "ERROR": hook_context.error}
        return {f"BORGPULL_{name}": value for name, value in values.items()}

    async def _read_output(
        self, child: process.Child, mark: str, text: bytes, said: process.Tail, errors: asyncio.Task[tuple[bytes, bool]]
    ) -> int:
        """Run the command in `text`, its output into `said`; return its exit status, which the script prints last."""
        if began := await ssh.read_marked(child.stdout, mark) is not None:
            await child.write(b"%d\n%b" % (len(text), text))
        async with ssh.beating(child):
            async for line in process.lines(child.stdout):
                if ended := re.fullmatch(rb"%b exit ([0-9]{1,3})" % mark.encode(), line):
                    return int(ended[1])
                if line.strip():
                    said.add(clean(line))
        status = await child.wait()
        printed = (await errors)[0].decode("utf-8", "replace")
        # The script did not come to its end: this status is that of ssh.
        failure = await ssh.explain_exit(self._master, status, printed, began=False, doing="run a command")
        if failure or not began:
            raise failure or ssh.no_shell(self._master.party, printed)
        return status
