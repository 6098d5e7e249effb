"""The lasting session on the backup server of a run for one repository: it holds the lock and runs all scripts there.

The lock is a fence. Each process that works on the repository for the run (scripts, `borg serve`) is registered in the
folder of the session; the lock goes when all of these are gone, however the session ends. So nothing that a run
started can still write when the next run has the lock. Beats show the session that the controller lives; after
SILENCE_SECONDS without one, or when its input ends, it ends what it registered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import socket
import time
from collections.abc import AsyncIterator

from .. import process, ssh
from ..errors import AtWork, Failure
from ..untrusted import clean
from . import scripts_lock as scripts

# How long a second run waits for one that lives; a short command has ended by then. The next beat has come by then.
LOCK_SECONDS = round(ssh.BEAT_SECONDS)
# And for one that shows no life: longer than the lock of a dead one lasts, a silence and the end of what it began.
_LOCK_PATIENCE = 2 * ssh.SILENCE_SECONDS
_STEP_SECONDS = 300.0
# What is still at work when the session ends gets TERM, then KILL, and this long in all.
_END_SECONDS = 40.0
# The attempts of one process at one repository never overlap: a later one ends what an earlier one left.
_RUN = f"run {secrets.token_hex(4)}"
_NO_FOLDER = "no folder for the session\n"


class LastingSession:
    """A session that holds the lock. `folder` on the backup server registers the processes that work for the run."""

    def __init__(self, master: ssh.Master, child: process.Child, mark: str, folder: str) -> None:
        self.folder = folder
        self._master = master
        self._child = child
        self._mark = mark
        self._one_at_a_time = asyncio.Lock()
        self._broken: Failure | None = None

    async def ask(
        self,
        script: str,
        *arguments: str,
        doing: str,
        seconds: float = _STEP_SECONDS,
        stdin: bytes = b"",
        most: int = process.MOST_OUTPUT,
    ) -> ssh.Answer:
        """Run a framed script, as `ssh.ask` does, within the session.

        `seconds` count anew when the script says that it goes on. Once an answer was cut off there is no other: each
        further call raises the same Failure.
        """
        words = " ".join(map(shlex.quote, arguments))
        text = f"{scripts.REGISTER}{ssh.PRELUDE}set -- {words}\n{script}\n".encode("utf-8", "surrogateescape")
        async with self._one_at_a_time:
            if self._broken is not None:
                raise self._broken
            try:
                async with asyncio.timeout(seconds) as limit:
                    await self._child.write(b"run %d %d\n" % (len(text), len(stdin)) + text + stdin)
                    answer = await ssh.read_answer(
                        self._child.stdout, self._mark, most=most, going=lambda: _prolong(limit, seconds)
                    )
            except TimeoutError:
                self._broken = ssh.no_answer(self._master.party, seconds)
                raise self._broken from None
            except ssh.Incomplete as error:
                self._broken = await self._lost(doing, str(error))
                raise self._broken from None
            except asyncio.CancelledError:
                self._broken = ssh.cut_off(self._master.party, doing, "it was interrupted", "")
                raise
        return ssh.whole(self._master.party, answer, doing)

    async def _lost(self, doing: str, how: str) -> Failure:
        if lost := await self._master.lost():
            return lost
        said = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ssh.LOST_SECONDS):
                said = (await process.read_all(self._child.stderr))[0]
        return ssh.cut_off(self._master.party, doing, how, clean(said))


def _prolong(limit: asyncio.Timeout, seconds: float) -> None:
    limit.reschedule(asyncio.get_running_loop().time() + seconds)


@contextlib.asynccontextmanager
async def lasting_session(master: ssh.Master, ledger: str, reserve: str) -> AsyncIterator[LastingSession]:
    """Keep every other run, of this controller or another one, away from the repository whose `ledger` folder this is.

    Where the disk is full, the file `reserve` there goes first. On leaving, whatever the run registered has ended, and
    the lock is free. Raises AtWork, naming the holder, when another run is at work, and Failure when what is left of
    one does not end.
    """
    mark, token = secrets.token_hex(16), f"session.{secrets.token_hex(8)}"
    words = (mark, ledger, token, str(ssh.SILENCE_SECONDS), reserve)
    async with ssh.script_session(master, scripts.LASTING, *words) as child:
        await _wait_until_ready(master, child, mark)
        session = LastingSession(master, child, mark, f"{ledger}/{token}")
        try:
            async with ssh.beating(child):
                await _lock(session, master.party, ledger, token)
                yield session
        finally:
            child.close_stdin()
            with contextlib.suppress(TimeoutError):
                await child.wait(_END_SECONDS)


async def _wait_until_ready(master: ssh.Master, child: process.Child, mark: str) -> None:
    began = False
    try:
        async with asyncio.timeout(ssh.BEGIN_SECONDS):
            while (word := await ssh.read_marked(child.stdout, mark)) is not None:
                began = True
                if word == "ready":
                    return
            said = (await process.read_all(child.stderr))[0].decode("utf-8", "replace")
            status = await child.wait()
    except TimeoutError:
        raise (ssh.no_answer(master.party, ssh.BEGIN_SECONDS) if began else ssh.not_begun(master.party)) from None
    if _NO_FOLDER in said:
        said = clean(said.replace(_NO_FOLDER, ""))
        raise ssh.ScriptFailed(master.party, "lock the ledger", said, how="no folder for the session")
    if failure := await ssh.explain_exit(master, status, said, began=began):
        raise failure
    if began:
        raise ssh.cut_off(master.party, "lock the ledger", "it was cut off", clean(said))
    raise ssh.no_shell(master.party, said)


async def _lock(session: LastingSession, party: str, ledger: str, token: str) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    who = f"{socket.gethostname()}, pid {os.getpid()}, {_RUN}, since {since}"
    words = (ledger, token, who, str(LOCK_SECONDS), str(_LOCK_PATIENCE), _RUN)
    answer = await session.ask(scripts.LOCK, *words, doing="lock the ledger")
    if holder := answer.text("at-work"):
        raise AtWork(party, holder)
    if holder := answer.text("held"):
        raise Failure(
            party,
            f"a run whose controller is silent or gone still has the lock of this repository: {holder}",
            hint="a process of it there cannot be ended, as when its disk hangs: `ps -eo pid,stat,args | grep borg` "
            "shows it; nothing was changed",
        )
