"""Connects to a host: one control master in the foreground for it, and one for each of its jump hosts.

The key, its certificate and known_hosts are files only until their master is up. A master ends with its context.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import tempfile
from collections.abc import AsyncIterator, Callable
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


@contextlib.asynccontextmanager
async def open_master(
    connection: Connection, *, party: str, directory: Path, on_output: Callable[[str], None]
) -> AsyncIterator[Master]:
    """Connect, and stay connected for as long as the context lasts; each jump host has a master of its own.

    `directory` is the run's private one, on a tmpfs; `on_output` gets each line that a master prints.
    Raises Failure, named after `party`, when the connection fails; it names the jump host at fault.
    """
    async with contextlib.AsyncExitStack() as way:
        hop: Hop | None = None
        opened = functools.partial(_opened, party=party, directory=directory, on_output=on_output)
        for jump in connection.jumps:
            hop = Hop(jump, await way.enter_async_context(opened(jump, hop)))
        yield await way.enter_async_context(opened(connection, hop))


@contextlib.asynccontextmanager
async def _opened(
    where: Connection | Jump, hop: Hop | None, *, party: str, directory: Path, on_output: Callable[[str], None]
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


async def _listen(child: process.Child, said: process.Tail, on_output: Callable[[str], None]) -> None:
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
