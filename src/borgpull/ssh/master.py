"""One ssh connection: a control master in the foreground, its control socket, and its forwards.

The key and the known_hosts exist as files only until the master is up. A master ends with its context.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from .. import proc
from ..config import Connection
from ..errors import CONTROLLER, Failure
from ..hostile import clean, last_lines
from . import argv
from .diagnose import diagnose, diagnose_jump

# sshd's MaxSessions is 10 by default; two are left for short commands.
SESSIONS = 8
# ConnectTimeout covers TCP and the banner only; a peer that stalls in key exchange needs a limit of ours.
START_SECONDS = 60.0
CONTROL_SECONDS = 15.0
# How often a master is asked whether it still answers: one that is stopped would hold its sessions for ever.
_ASK_SECONDS = 20.0
# A client learns of the end of a connection a little before we do.
LOST_SECONDS = 1.0
_REFUSED = "Session open refused by peer"


class ForwardRefused(Failure):
    """The host's sshd does not let a unix socket be forwarded."""


class Master:
    """A connection that is up. `party` is whose it is, `pid` the pid of the master process.

    `limit` is how many sessions at a time it is known to bear: fewer than SESSIONS once one was refused.
    """

    def __init__(self, party: str, control: Path, child: proc.Child, said: proc.Tail) -> None:
        self.party = party
        self.control = control
        self.pid = child.pid
        self._slots = asyncio.Semaphore(SESSIONS)
        self.limit = SESSIONS
        self._running = 0
        self._stuck: Failure | None = None
        self._child = child
        self._said = said

    @property
    def alive(self) -> bool:
        """Tell whether the connection still stands."""
        return self._child.returncode is None

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place among the sessions of this connection, and hold it for as long as the context lasts."""
        async with self._slots:
            self._running += 1
            try:
                yield
            finally:
                self._running -= 1

    def failure(self, said: str, *, doing: str) -> Failure:
        """Say why something over this connection failed: what the client said, else what the master said."""
        if known := self._stuck or self._killed():
            return known
        if _REFUSED in said:
            # Those that still run when this is said are about as many as its sshd allows.
            self.limit = max(1, min(self.limit, self._running))
        text = said if self.alive else f"{said}\n{self._said.text}"
        return self._unheard(diagnose(self.party, text, doing=doing), said)

    async def watch(self) -> None:
        """Ask the master from time to time whether it answers; one that does not is killed, and its sessions end."""
        while self.alive:
            await asyncio.sleep(_ASK_SECONDS)
            try:
                await self._operate("check")
            except Failure as failure:
                if self.alive:
                    self._stuck = failure
                    self._child.send(signal.SIGKILL)

    def moved(self) -> int:
        """Return how many bytes this connection has moved so far, keepalives included; -1 when it cannot be told."""
        try:
            counts = Path(f"/proc/{self.pid}/io").read_text(encoding="ascii").split()
        except OSError:
            return -1
        return int(counts[counts.index("rchar:") + 1]) + int(counts[counts.index("wchar:") + 1])

    def cause(self, *, jump: bool) -> Failure:
        """Say why the master ended before it was up, by what it said itself."""
        return self._killed() or self._unheard((diagnose_jump if jump else diagnose)(self.party, self._said.text), "")

    def _killed(self) -> Failure | None:
        if self.alive or (number := -(self._child.returncode or 0)) <= 0:
            return None
        return Failure(
            CONTROLLER,
            f"our ssh connection to {self.party} was killed here (signal {number})",
            hint="see in the kernel log here (dmesg) whether memory ran out; then give it more, or lower Jobs",
            transient=True,
        )

    @staticmethod
    def _unheard(failure: Failure, said: str) -> Failure:
        # What the master said was passed on line by line, as it came.
        failure.detail = said
        return failure

    async def lost(self) -> Failure | None:
        """Say why the connection broke; None when it stands. For when a client has ended with SSH_FAILED."""
        with contextlib.suppress(TimeoutError):
            await self._child.wait(LOST_SECONDS)
        return None if self.alive else self.failure("", doing="keep the connection")

    async def forward(self, remote: str, local: Path) -> None:
        """Have the host listen on the unix socket `remote` and lead every connection to `local` here.

        Raises ForwardRefused when the host refuses: with a fresh path in a directory of our own that is policy.
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

    async def cancel(self, remote: str, local: Path) -> None:
        """Stop listening on `remote`. Connections that stand go on; the socket file stays (sshd never removes it)."""
        with contextlib.suppress(Failure):
            await self._operate("cancel", "-R", f"{remote}:{local}")

    async def _operate(self, operation: str, *arguments: str) -> proc.Completed:
        command = argv.control(self.control, operation, *arguments)
        try:
            return await proc.run(command, seconds=CONTROL_SECONDS)
        except TimeoutError:
            raise Failure(
                self.party,
                f"our ssh connection does not answer (ssh -O {operation})",
                hint="the next run connects anew; check the network, and how busy this machine is",
                transient=True,
            ) from None

    async def check(self) -> None:
        """Make sure that it is our own master that listens. Raises Failure."""
        done = await self._operate("check")
        found = re.search(rb"pid=(\d+)", done.stderr)
        if done.returncode != 0 or not found or int(found[1]) != self.pid:
            raise self.failure(done.stderr.decode("utf-8", "replace"), doing="open a control socket")


@contextlib.asynccontextmanager
async def open_master(
    connection: Connection, *, party: str, directory: Path, heard: Callable[[str], None]
) -> AsyncIterator[Master]:
    """Connect, and stay connected for as long as the context lasts.

    `directory` is the run's private one, on a tmpfs; `heard` is given each line that the master says.
    Raises Failure, named after `party`, when the connection cannot be made.
    """
    own = Path(tempfile.mkdtemp(prefix="m", dir=directory))
    said = proc.Tail()
    try:
        files = _write_files(connection, own)
        command = argv.master(connection, files=files, control=own / "ctl")
        async with _started(command) as child:
            listener = asyncio.create_task(_listen(child, said, heard))
            try:
                master = Master(party, own / "ctl", child, said)
                await _until_ready(master, child, listener, jump=connection.jump is not None)
                _remove_files(files)
                watch = asyncio.create_task(master.watch())
                try:
                    yield master
                finally:
                    watch.cancel()
            finally:
                await child.end()
                listener.cancel()
    finally:
        shutil.rmtree(own, ignore_errors=True)


@contextlib.asynccontextmanager
async def _started(command: list[str]) -> AsyncIterator[proc.Child]:
    try:
        async with proc.started(command) as child:
            yield child
    except FileNotFoundError:
        raise Failure(CONTROLLER, "ssh is not installed", hint="apt install openssh-client") from None


def _write_files(connection: Connection, directory: Path) -> argv.Files:
    files = argv.Files(directory / "key", directory / "known_hosts", directory / "jump_known_hosts")
    _write(files.key, connection.private_key.get_secret_value())
    _write(files.known_hosts, connection.known_host)
    _write(files.jump_known_hosts, connection.jump.known_host if connection.jump else "")
    return files


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _remove_files(files: argv.Files) -> None:
    for path in (files.key, files.known_hosts, files.jump_known_hosts):
        path.unlink()


async def _listen(child: proc.Child, said: proc.Tail, heard: Callable[[str], None]) -> None:
    # A master whose stderr is not read stops at 64 KiB, and every session with it (seen on 8.4, 9.2, 10.5).
    async for line in proc.lines(child.stderr):
        text = clean(line)
        said.add(text)
        heard(text)


async def _until_ready(master: Master, child: proc.Child, listener: asyncio.Task[None], *, jump: bool) -> None:
    # The master closes its stdout when it listens (since OpenSSH 7.7), or by dying.
    try:
        async with asyncio.timeout(START_SECONDS):
            await proc.drained(child.stdout)
            await asyncio.sleep(0)
            await master.check()
    except TimeoutError:
        raise Failure(
            master.party,
            f"it did not finish connecting within {START_SECONDS:.0f} s",
            hint="check how busy it is, and what sshd's log there says",
            transient=True,
        ) from None
    except Failure as failure:
        with contextlib.suppress(TimeoutError):
            await child.wait(2)
            await asyncio.wait({listener}, timeout=2)
        if master.alive:
            raise failure from None
        raise master.cause(jump=jump) from None
