"""Before, After and OnFailure: the operator's own commands on T, each in a session of its own over T's connection.

They run outside of every borg session, and see neither its socket nor the passphrase nor its lifeline. Their text never
stands in an argv, here or there, nor in a message, for it may hold a password. What they print is hostile text.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import subprocess
from dataclasses import dataclass

from .. import process, ssh
from ..errors import Failure, TamperedError
from ..events import CommandFinished, Outcome, Step
from ..repository.context import TargetContext
from ..untrusted import clean

# For so long in all After and OnFailure may still run when the target has no time left, or the run was stopped.
PATIENCE_SECONDS = 60.0
# A command that is to end gets SIGTERM, and SIGKILL when that does not end it within ten seconds.
_END_SECONDS = 15.0
_UNFINISHED = -1

# $1 is the mark. Standard input: how many bytes, the command, the mark; then nothing, and when it ends, the command
# and what it started are ended. Never a part of a command: without the mark behind it, a link was cut. sshd gives each
# session a process group of its own (OpenSSH 9.2); where that is not so (dropbear), only the command's shell is ended.
# What the command leaves running in the background does not keep the session.
_SCRIPT = (
    ssh.WATCHDOG
    + r"""
exec 3<&0 </dev/null 2>&1
IFS= read -r size <&3 || exit 90
command=$(dd bs=1 count="$size" <&3 2>/dev/null)
case $command in *"$1") command=${command%"$1"} ;; *) exit 90 ;; esac
{ lifeline true; } >/dev/null 2>&1 3<&- &
life=$!
group=$(sed 's/.*) //' "/proc/$$/stat" 2>/dev/null | cut -d ' ' -f 3)
trap : TERM
printf '\n%s begin\n' "$1"
( exec 3<&-; set --; eval "$command" ) &
p=$!
{
  trap '' TERM
  while IFS= read -r n; do :; done <&3
  if [ "$group" = $$ ]; then all=0; else all=$p; fi
  kill -TERM $all
  n=0
  while [ $n -lt 10 ] && kill -0 $p; do sleep 1; n=$((n + 1)); done
  kill -KILL $all
} >/dev/null 2>&1 &
w=$!
exec 3<&-
wait $p
r=$?
while kill -0 $p 2>/dev/null; do wait $p; r=$?; done
kill -KILL $w $life 2>/dev/null
printf '\n%s exit %s\n' "$1" "$r"
"""
)


@dataclass(frozen=True, kw_only=True)
class HookContext:
    """What the commands after a backup are told: its outcome, and the error in words, empty without one."""

    outcome: Outcome
    error: str = ""


def failed_with(failure: Failure) -> HookContext:
    """Return what the commands are told of a failure: nothing of what was noticed of a target that may be hostile."""
    error = "" if isinstance(failure, TamperedError) else f"{failure.party}: {failure.cause}"
    return HookContext(outcome=Outcome.FAILED, error=error)


class Hooks:
    """The commands of one target, over its connection. `archive` is the name that C chose."""

    def __init__(self, context: TargetContext, master: ssh.Master, archive: str) -> None:
        self._context = context
        self._options = context.target
        self.master = master
        self._archive = archive

    async def before(self) -> None:
        """Run Before, one command after the other. Raises Failure at the first that fails."""
        if self._options.before:
            with self._context.events.step(Step.BEFORE):
                for number, command in enumerate(self._options.before):
                    await self._run(f"Before[{number}]", command, seconds=None)

    async def after(self, happened: HookContext, *, hurried: bool) -> Failure | None:
        """Run all of After, whatever becomes of any of it; return the first failure.

        `hurried` says that the run was stopped, or the target's time is over: then PATIENCE_SECONDS are left for all.
        """
        if not self._options.after:
            return None
        with self._context.events.step(Step.AFTER) as report:
            failures = await self._all("After", self._options.after, happened, hurried=hurried)
            report.outcome = Outcome.FAILED if failures else Outcome.DONE
        return failures[0] if failures else None

    async def failed(self, failure: Failure) -> None:
        """Run all of OnFailure. What fails of it is a warning: why the target failed is worth more."""
        if not self._options.on_failure:
            return
        happened = failed_with(failure)
        with self._context.events.step(Step.ON_FAILURE) as report:
            failures = await self._all("OnFailure", self._options.on_failure, happened, hurried=True)
            report.outcome = Outcome.WARNING if failures else Outcome.DONE
        for each in failures:
            self._context.warn(f"{each.party}: {each.cause}", each.hint)

    async def _all(
        self, kind: str, commands: tuple[str, ...], happened: HookContext, *, hurried: bool
    ) -> list[Failure]:
        """Run every command; a first cancellation ends the one that runs, and leaves PATIENCE_SECONDS for the rest."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + PATIENCE_SECONDS if hurried else None
        failures: list[Failure] = []
        stopped: asyncio.CancelledError | None = None
        for number, command in enumerate(commands):
            try:
                seconds = None if limit is None else max(0.0, limit - loop.time())
                await self._run(f"{kind}[{number}]", command, seconds=seconds, happened=happened)
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
        self, name: str, command: str, *, seconds: float | None, happened: HookContext | None = None
    ) -> None:
        said = process.Tail()
        status: int | None = None
        try:
            async with asyncio.timeout(seconds) as limit:
                status = await self._session(command, said, happened)
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            output = tuple(said.text.splitlines())
            code = _UNFINISHED if status is None else status
            self._context.emit(
                CommandFinished(target=self._context.target.name, command=name, status=code, output=output)
            )
        if status != 0:
            raise self._failure(name, status, output)

    async def _session(self, command: str, said: process.Tail, happened: HookContext | None) -> int:
        """Run a command in a session of its own; return its exit status. Cancelled, it has it ended first."""
        mark = secrets.token_hex(16)
        text = command.encode()
        words = ["env", *self._told(happened), "sh", "-c", _SCRIPT, "sh", mark]
        async with ssh.session(self.master, process.Command("exec")[words], stdin=subprocess.PIPE) as child:
            errors = asyncio.create_task(process.read_all(child.stderr))
            try:
                await child.write(f"{len(text) + len(mark)}\n".encode() + text + mark.encode())
                return await self._followed(child, mark, said, errors)
            except BaseException:
                # What it started on T ends before anything else is done there.
                child.close_stdin()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await process.read_all(child.stdout)
                raise
            finally:
                errors.cancel()

    def _told(self, happened: HookContext | None) -> list[str]:
        facts = {"TARGET": self._context.target.name, "ARCHIVE": self._archive}
        if happened:
            facts |= {"OUTCOME": str(happened.outcome), "ERROR": happened.error}
        return [f"BORGPULL_{name}={value}" for name, value in facts.items()]

    async def _followed(
        self, child: process.Child, mark: str, said: process.Tail, errors: asyncio.Task[tuple[bytes, bool]]
    ) -> int:
        began = await ssh.read_marked(child.stdout, mark) is not None
        async for line in process.lines(child.stdout):
            if ended := re.fullmatch(rb"%b exit ([0-9]{1,3})" % mark.encode(), line):
                return int(ended[1])
            if line.strip():
                said.add(clean(line))
        status = await child.wait()
        text = (await errors)[0].decode("utf-8", "replace")
        # The command's own status comes as a word: a status of ssh's is ssh's.
        failure = await ssh.explain_exit(self.master, status, text, began=False, doing="run a command")
        if failure or not began:
            raise failure or ssh.no_shell(self.master.party, text)
        return status

    def _failure(self, name: str, status: int | None, output: tuple[str, ...]) -> Failure:
        how = "did not end in time" if status is None else f"failed (exit {status})"
        last = f": {output[-1]}" if output else ""
        return self._context.failure(
            f"the command {name} {how}{last}",
            hint="its output is in the report and, with -v, above; try the command there by hand",
        )
