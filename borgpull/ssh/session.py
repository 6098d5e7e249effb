"""A shell script, or a command, in a session of a master: its three pipes, its exit status, and why it failed.

The login shell, whichever it is, sees one short line without quotes. A script with its arguments goes over standard
input to a shell of our own, which reads all of it before it runs any of it. A shell reads ahead: what follows is
written once the script has answered. Where another party writes the standard input, the session runs a script that was
`stored` before.

Without a terminal ssh never passes a signal to a remote process: a script that must stop with us reads its stdin until
that ends; `watchdog` has what it does about a cut link.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
import subprocess
from collections.abc import AsyncIterator, Mapping
from typing import IO

from .. import process
from ..errors import Failure
from . import argv
from .diagnose import BEGIN_SECONDS, killed, no_answer, no_shell, not_begun
from .master import SESSION_REFUSED, Master
from .prologue import PROLOGUE

# The exit status of ssh's own failures, and of a remote command that a signal killed.
SSH_FAILED = 255

# How many lines a ~/.bashrc may print.
_MOST_NOISE = 10_000


def script_text(script: str, *arguments: str) -> bytes:
    """Return a script with `arguments` as "$@": one line, of which a shell runs all or nothing.

    What the file of a login shell reads is an empty line, which is missed by nobody, or all of the script. Of several
    lines the shell would run those that are left, and take one for the passphrase. A bash that reads its commands from
    standard input crashes when an `eval` redirects that (5.2): it is moved aside before.
    """
    text = f"exec <&3 3<&-\n{PROLOGUE}set -- {shlex.join(arguments)}\n{script}\nexit"
    words = shlex.quote(text.replace("\\", r"\\").replace("\n", r"\n"))
    return f'\nexec 3<&0 </dev/null; eval "$(printf %b {words})"\n'.encode("utf-8", "surrogateescape")


def exports(environment: Mapping[str, str]) -> str:
    """Return the lines of a script that set an environment."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


@contextlib.asynccontextmanager
async def session(
    master: Master,
    command: object,
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> AsyncIterator[process.Child]:
    """Run `command`, of plain words, on the master's host for as long as the context lasts.

    The client passes the given descriptors on to the master: no byte goes through Python.
    """
    async with (
        master.place(),
        process.started(argv.execute(master.control, command), stdin=stdin, stdout=stdout, stderr=stderr) as child,
    ):
        yield child


@contextlib.asynccontextmanager
async def script_session(master: Master, script: str, *arguments: str) -> AsyncIterator[process.Child]:
    """Run a shell script on the master's host, with `arguments` as "$@", for as long as the context lasts.

    Its standard input is ours, once it has answered.
    """
    async with session(master, process.Command("exec")["sh"], stdin=subprocess.PIPE) as child:
        # Who has no shell may read nothing of it.
        writing = asyncio.create_task(child.write(script_text(script, *arguments)))
        try:
            yield child
        finally:
            writing.cancel()


async def execute(
    master: Master, script: str, *arguments: str, stdin: bytes = b"", seconds: float, most: int = process.MOST_OUTPUT
) -> process.Completed:
    """Run a shell script on the master's host with `arguments` as "$@", and return what it printed.

    What a ~/.bashrc printed before it is left out. Raises Failure when the connection fails, when the host refuses the
    session, or when the script does not end within `seconds`.
    """
    mark = secrets.token_hex(16)
    framed = f'own\nprintf "\\n%s\\n" "$1"\nshift\n{script}'
    began = None
    try:
        async with (
            asyncio.timeout(min(seconds, BEGIN_SECONDS)) as limit,
            script_session(master, framed, mark, *arguments) as child,
            asyncio.TaskGroup() as tasks,
        ):
            errors = tasks.create_task(process.read_all(child.stderr))
            began = await read_marked(child.stdout, mark)
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
            tasks.create_task(child.feed(b"" if began is None else stdin))
            output, truncated = await process.read_all(child.stdout, most=most)
            status = await child.wait()
    except TimeoutError:
        raise (not_begun(master.party) if began is None else no_answer(master.party, seconds)) from None
    if died := killed(master.party, status):
        raise died
    said = errors.result()[0]
    if began is None:
        text = said.decode("utf-8", "replace")
        raise await explain_exit(master, status, text, began=False) or no_shell(master.party, text)
    return process.Completed(status, output, said, truncated)


async def read_marked(stream: asyncio.StreamReader, mark: str) -> str | None:
    """Return what follows `mark` on the next line that begins with it; None when the stream ends first.

    Other lines are skipped: a ~/.bashrc, which bash reads for ssh commands too, prints what it likes. Nothing is read
    beyond the line, so `process.lines(stream)` yields what follows it.
    """
    for _ in range(_MOST_NOISE):
        try:
            line = await stream.readline()
        except ValueError:
            # Longer than asyncio's limit, 64 KiB, and dropped by it.
            continue
        word, _, rest = line.rstrip(b"\n").partition(b" ")
        if word == mark.encode():
            return rest.decode("utf-8", "replace")
        if not line:
            break
    return None


async def explain_exit(
    master: Master, status: int | None, said: str, *, began: bool, doing: str = "open a session"
) -> Failure | None:
    """Return why our ssh client ended with `status` (None while it runs), or None when ssh itself did not fail.

    `said` is its standard error. `began` says that the remote command was seen to run: 255 may then be the command's
    own status, and counts only when the connection is lost. Where it is None and nothing began, see `no_shell`.
    """
    if failure := killed(master.party, status or 0):
        return failure
    if status != SSH_FAILED:
        return None
    if not began and SESSION_REFUSED in said:
        return master.failure(said, doing=doing)
    # A client ends a little before its master does.
    lost = await master.lost()
    return lost if lost or began else master.failure(said, doing=doing)
