"""One ssh connection: its control socket, its sessions and forwards, and why it failed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from .. import process
from ..config import Jump
from ..errors import Failure
from ..untrusted import last_lines
from . import argv
from .diagnose import certificate_refused, diagnose, killed, of_jump

# The default of sshd's MaxSessions is 10; two are left for short commands.
SESSIONS = 8
CONTROL_SECONDS = 15.0
# How often the master is checked: a stopped one would hold its sessions for ever.
_ASK_SECONDS = 20.0
# A client notices the end of a connection a little before its master has ended.
LOST_SECONDS = 1.0
SESSION_REFUSED = "Session open refused by peer"
# What the client that goes through a jump host prints when that refuses; the jump host's own master prints why.
_NOT_LED_ON = "Stdio forwarding request failed"


@dataclass(frozen=True)
class Hop:
    """A jump host, and the master connected to it."""

    jump: Jump
    master: Master


class ForwardRefused(Failure):
    """The host's sshd refuses to forward a unix socket."""


class Master:
    """A connection that is up: `party` is the other end, `pid` the pid of the master process.

    `jump` is the jump host that it leads to, where it leads to one; `hop` the one that it leads through. `limit` is how
    many sessions at a time it is known to take: fewer than SESSIONS once one was refused. `certified` says that the key
    has a certificate.
    """

    def __init__(
        self,
        party: str,
        control: Path,
        child: process.Child,
        said: process.Tail,
        listener: asyncio.Task[None],
        *,
        jump: Jump | None,
        hop: Hop | None,
    ) -> None:
        self.party = party
        self.jump = jump
        self.control = control
        self.pid = child.pid
        self._slots = asyncio.Semaphore(SESSIONS)
        self.limit = SESSIONS
        self._running = 0
        self._stuck: Failure | None = None
        self._child = child
        self._said = said
        self._listener = listener
        self._hop = hop
        self._said_before = hop.master._said.count if hop else 0
        self.certified = False

    @property
    def alive(self) -> bool:
        return self._child.returncode is None

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a free session of this connection, and hold it for as long as the context lasts."""
        async with self._slots:
            self._running += 1
            try:
                yield
            finally:
                self._running -= 1

    def failure(self, said: str, *, doing: str) -> Failure:
        """Return why something over this connection failed, by what the client printed, else the master."""
        if known := self._stuck or self._killed() or self._cut_off():
            return known
        if SESSION_REFUSED in said:
            # The sessions that run now are about as many as its sshd allows.
            self.limit = max(1, min(self.limit, self._running))
        if self.alive and not said.strip():
            # Seen when sshd cannot fork (OpenSSH 9.2).
            hint = "check the limits on processes there (TasksMax, nproc)"
            cause = of_jump(self.jump, f"it could not {doing} and did not say why")
            return Failure(self.party, cause, hint=hint, transient=True)
        text = said if self.alive else f"{said}\n{self._said.text}"
        found = diagnose(self.party, text, doing=doing, jump=self.jump)
        # Whatever ssh says, or does not say: a connection that was up can be made again.
        found.transient = found.transient or not self.alive
        return self._with_detail(found, said)

    async def watch(self) -> None:
        """Check from time to time that the master answers; kill it when it does not, and its sessions end."""
        while self.alive:
            await asyncio.sleep(_ASK_SECONDS)
            try:
                await self._operate("check")
            except Failure as failure:
                if self.alive:
                    self._stuck = failure
                    self._child.send(signal.SIGKILL)

    def moved(self) -> int:
        """Return how many bytes this connection has moved so far, keepalives included; -1 when unknown."""
        try:
            counts = Path(f"/proc/{self.pid}/io").read_text(encoding="ascii").split()
        except OSError:
            return -1
        return int(counts[counts.index("rchar:") + 1]) + int(counts[counts.index("wchar:") + 1])

    def cause(self) -> Failure:
        """Return why the master ended before it was up, by what it printed, or its jump host's master."""
        if known := self._killed() or self._cut_off():
            return known
        if self._hop is not None and _NOT_LED_ON in self._said.text:
            # The jump host refuses by the number of a channel, which only its master knows: when others that lead
            # through it are refused for other reasons meanwhile, another attempt tells whose is whose.
            said = self._hop.master._said.since(self._said_before)
            refused = diagnose(self.party, "\n".join(said), jump=self.jump, through=self._hop.jump)
            refused.transient |= len({line.partition(": ")[2] for line in said if "open failed" in line}) > 1
            return self._with_detail(refused, "")
        found = diagnose(self.party, self._said.text, jump=self.jump)
        return self._with_detail(certificate_refused(found) if self.certified else found, "")

    def _cut_off(self) -> Failure | None:
        if self.alive or self._hop is None or self._hop.master.alive:
            return None
        return self._hop.master.failure("", doing="keep the connection").of(self.party)

    def _killed(self) -> Failure | None:
        return killed(self.party, self._child.returncode or 0)

    @staticmethod
    def _with_detail(failure: Failure, said: str) -> Failure:
        # What the master printed was passed on line by line, as it came.
        failure.detail = said
        return failure

    async def lost(self) -> Failure | None:
        """Return why the connection broke, None when it is up. For after a client ended with SSH_FAILED."""
        if await self.has_ended(LOST_SECONDS) and self._hop is not None:
            await self._hop.master.lost()
        return None if self.alive else self.failure("", doing="keep the connection")

    async def has_ended(self, seconds: float) -> bool:
        """Wait so long for the end of the master, and until what it printed is read; tell whether it has ended."""
        with contextlib.suppress(TimeoutError):
            await self._child.wait(seconds)
            await asyncio.wait({self._listener}, timeout=seconds)
        return not self.alive

    async def forward_remote(self, remote: str, local: Path) -> None:
        """Let the host listen on the unix socket `remote`, and forward each connection to `local` here (-R).

        Raises ForwardRefused when the host refuses: for a fresh path in a directory of our own that is policy.
        """
        done = await self._operate("forward", "-R", f"{remote}:{local}")
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace")
            if "port forwarding failed" not in said:
                raise self.failure(said, doing="ask for a forward")
            raise ForwardRefused(
                self.party,
                "its sshd refuses to forward a unix socket",
                hint="in its sshd_config set `AllowStreamLocalForwarding yes` and `AllowTcpForwarding yes` "
                "(or `remote`), no `DisableForwarding`; in authorized_keys no `restrict` without `port-forwarding`",
                detail=last_lines(said),
            )

    @contextlib.asynccontextmanager
    async def forward_local(self, local: Path, remote: str) -> AsyncIterator[None]:
        """Forward connections to the unix socket `local` here to `remote` on the host, while the context lasts (-L).

        Whether anything listens there shows only on the first connection. Raises Failure.
        """
        # In the path of a forward a backslash escapes the letter after it (misc.c, parse_fwd_field).
        there = remote.replace("\\", "\\\\").replace(":", "\\:")
        done = await self._operate("forward", "-L", f"{local}:{there}")
        if done.returncode != 0:
            raise self.failure(done.stderr.decode("utf-8", "replace"), doing="ask for a forward")
        try:
            yield
        finally:
            with contextlib.suppress(Failure):
                await self._operate("cancel", "-L", f"{local}:{there}")
            local.unlink(missing_ok=True)  # noqa: ASYNC240 - on the tmpfs

    async def cancel(self, remote: str, local: Path) -> None:
        """Stop listening on `remote`. Open connections go on; the socket file stays (sshd never removes it)."""
        with contextlib.suppress(Failure):
            await self._operate("cancel", "-R", f"{remote}:{local}")

    async def _operate(self, operation: str, *arguments: str) -> process.Completed:
        command = argv.control(self.control, operation, *arguments)
        try:
            return await process.run(command, seconds=CONTROL_SECONDS)
        except TimeoutError:
            raise Failure(
                self.party,
                of_jump(self.jump, f"our ssh connection does not answer (ssh -O {operation})"),
                hint="the next run connects again; check the network, and the load of this machine",
                transient=True,
            ) from None

    async def check(self) -> None:
        """Check that our own master is what listens. Raises Failure."""
        done = await self._operate("check")
        found = re.search(rb"pid=(\d+)", done.stderr)
        if done.returncode != 0 or not found or int(found[1]) != self.pid:
            raise self.failure(done.stderr.decode("utf-8", "replace"), doing="open a control socket")
