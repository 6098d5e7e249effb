"""Connects to a host: one control master in the foreground for it, and one for each of its jump hosts, which it shares.

The key, its certificate and known_hosts are files only until their master is up. A master ends with its context.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from .. import process
from ..config import Connection, Jump
from ..errors import CONTROLLER, Failure, the
from ..untrusted import clean
from . import argv
from .diagnose import of_jump
from .keys import certificate_problem, key_problem
from .master import Hop, Master

# ConnectTimeout covers TCP and the banner only; a peer that stalls in the key exchange needs our own limit.
START_SECONDS = 60.0
_KEY_SECONDS = 60
_PRINTED = re.compile(r"\s*(-----BEGIN .+-----END [A-Z ]+-----)\s*(\S+-cert-v01@openssh\.com .+)?\s*", re.DOTALL)


OnOutput = Callable[[str], None]
_Opened = Callable[[Connection | Jump, Hop | None], contextlib.AbstractAsyncContextManager[Master]]


@dataclass
class _Shared:
    """The connection to a jump host, with how many others lead through it; `way` closes it."""

    way: contextlib.AsyncExitStack
    opening: asyncio.Task[Hop]
    users: int = 0

    @property
    def failed(self) -> bool:
        done = self.opening.done()
        return done and (self.opening.exception() is not None or not self.opening.result().master.alive)


class JumpHosts:
    """The jump hosts of a run. What leads through the same one, and the same ones before it, shares its connection.

    That opens with the first, and closes with the last; once it broke, the next attempt opens another one.
    """

    def __init__(self) -> None:
        self._shared: dict[tuple[object, ...], _Shared] = {}

    @contextlib.asynccontextmanager
    async def last_of(self, jumps: tuple[Jump, ...], opened: _Opened, *, party: str) -> AsyncIterator[Hop | None]:
        """Connect to the last of `jumps`, None without any, for as long as the context lasts. Raises Failure."""
        if not jumps:
            yield None
            return
        # What is printed of a jump host is all but its key.
        names = tuple((repr(jump), jump.private_key.get_secret_value()) for jump in jumps)
        shared = self._shared.get(names)
        if shared is None or shared.failed:
            way = contextlib.AsyncExitStack()
            opening = asyncio.create_task(way.enter_async_context(self._hop(jumps, opened, party=party)))
            shared = self._shared[names] = _Shared(way, opening)
        shared.users += 1
        try:
            # Who is stopped while it opens does not stop the others.
            await asyncio.wait({shared.opening})
            if isinstance(failure := shared.opening.exception(), Failure):
                raise failure.of(party)
            yield shared.opening.result()
        finally:
            shared.users -= 1
            if not shared.users:
                if self._shared.get(names) is shared:
                    del self._shared[names]
                shared.opening.cancel()
                await asyncio.gather(shared.opening, return_exceptions=True)
                await shared.way.aclose()

    @contextlib.asynccontextmanager
    async def _hop(self, jumps: tuple[Jump, ...], opened: _Opened, *, party: str) -> AsyncIterator[Hop]:
        async with self.last_of(jumps[:-1], opened, party=party) as hop, opened(jumps[-1], hop) as master:
            yield Hop(jumps[-1], master)


@contextlib.asynccontextmanager
async def open_master(
    connection: Connection, *, party: str, directory: Path, on_output: OnOutput, jumps: JumpHosts | None = None
) -> AsyncIterator[Master]:
    """Connect, and stay connected for as long as the context lasts; `jumps` are the jump hosts of the run.

    `directory` is the run's private one, on a tmpfs; `on_output` gets each line that a master prints.
    Raises Failure, named after `party`, when the connection fails; it names the jump host at fault.
    """
    opened = functools.partial(_opened, party=party, directory=directory, on_output=on_output)
    hops = (jumps or JumpHosts()).last_of(connection.jumps, opened, party=party)
    async with hops as hop, opened(connection, hop) as master:
        yield master


@contextlib.asynccontextmanager
async def _opened(
    where: Connection | Jump, hop: Hop | None, *, party: str, directory: Path, on_output: OnOutput
) -> AsyncIterator[Master]:
    said = process.Tail()
    with tempfile.TemporaryDirectory(prefix="m", dir=directory, ignore_cleanup_errors=True) as name:
        own = Path(name)
        jump = where if isinstance(where, Jump) else None
        key, certificate = await _login(where, jump, party, own)
        # ssh looks for a certificate beside its key.
        files = {own / "known_hosts": where.known_host, own / "key": key, own / "key-cert.pub": certificate}
        for path, text in files.items():
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        command = argv.master(where, own, through=hop.master.control if hop else None)
        absent = Failure(CONTROLLER, "ssh is not installed", hint="apt install openssh-client")
        async with process.started(command, absent=absent) as child:
            listener = asyncio.create_task(_listen(child, said, on_output))
            try:
                master = Master(party, own / "ctl", child, said, listener, jump=jump, hop=hop)
                master.certified = bool(certificate)
                await _until_ready(master, child)
                for path in files:
                    path.unlink()
                watch = asyncio.create_task(master.watch())
                try:
                    yield master
                finally:
                    watch.cancel()
            finally:
                await child.stop()
                listener.cancel()


async def _login(where: Connection | Jump, jump: Jump | None, party: str, directory: Path) -> tuple[str, str]:
    """Return the private key to log in with, and its certificate, "" for none. Raises Failure."""
    key, certificate = where.private_key.get_secret_value(), where.certificate
    if where.private_key_command:
        key, printed = await _printed(where.private_key_command, party, directory)
        certificate = printed or certificate
    if certificate and (
        problem := await asyncio.to_thread(certificate_problem, directory, key, certificate, dated=True)
    ):
        cause, hint = problem
        raise Failure(party, of_jump(jump, f"its Certificate {cause}"), hint=hint)
    return key, certificate


async def _printed(command: str, party: str, directory: Path) -> tuple[str, str]:
    """Return the private key that PrivateKeyCommand prints, and the certificate behind it, if any. Raises Failure."""
    output, failed = await process.run_shell(command, seconds=_KEY_SECONDS)
    found = _PRINTED.fullmatch(output.decode("utf-8", "replace"))
    problem: str | None = failed or "it has to print a private key and, behind it, at most its certificate"
    if found and not failed and not (problem := await asyncio.to_thread(key_problem, directory, f"{found[1]}\n")):
        return f"{found[1]}\n", found[2] or ""
    hint = "run it as this user, with no environment but PATH and HOME"
    raise Failure(CONTROLLER, f"the PrivateKeyCommand of {the(party)}: {problem}", hint=hint, transient=bool(failed))


async def _listen(child: process.Child, said: process.Tail, on_output: OnOutput) -> None:
    # A master whose stderr nobody reads stops after 64 KiB, and every session with it (seen on 8.4, 9.2, 10.5).
    async for line in process.lines(child.stderr):
        text = clean(line)
        said.add(text)
        on_output(text)


async def _until_ready(master: Master, child: process.Child) -> None:
    # The master closes its stdout when it listens (since OpenSSH 7.7), or when it ends.
    try:
        async with asyncio.timeout(START_SECONDS):
            await process.read_all(child.stdout)
            await asyncio.sleep(0)
            await master.check()
    except TimeoutError:
        raise Failure(
            master.party,
            of_jump(master.jump, f"it did not finish connecting within {START_SECONDS:.0f} s"),
            hint="check its load, and the log of sshd there",
            transient=True,
        ) from None
    except Failure as failure:
        raise (master.cause() if await master.has_ended(2) else failure) from None
