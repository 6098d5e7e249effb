"""A backup server that gives no shell: a unix socket there, behind which systemd starts a `borg serve` per client.

Only the answers of that serve can be seen, neither its standard error nor its exit status.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from .. import ssh
from ..borg.version import QUESTION, Greeting, read_greeting
from ..errors import Failure

_GREETING_SECONDS = 20.0
_LONGEST_GREETING = 4096


@contextlib.asynccontextmanager
async def forwarded_socket(master: ssh.Master, remote: str, directory: Path) -> AsyncIterator[Path]:
    """Forward a fresh socket in `directory` to the socket `remote`; yields its path."""
    path = directory / f"b{secrets.token_hex(8)}"
    async with master.forward_local(path, remote):
        yield path


async def connect_to(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(connection, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


async def probe_serve(path: Path) -> Greeting | None:
    """Ask the `borg serve` behind a socket here for its version, opening no repository; None when none answers."""
    loop = asyncio.get_running_loop()
    answer = b""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_GREETING_SECONDS):
            with await connect_to(path) as connection:
                await loop.sock_sendall(connection, QUESTION)
                while not read_greeting(answer) and len(answer) < _LONGEST_GREETING:
                    if not (more := await loop.sock_recv(connection, _LONGEST_GREETING)):
                        break
                    answer += more
    return read_greeting(answer)


def no_serve_answers(party: str, remote: str) -> Failure:
    return Failure(
        party,
        f"no borg serve answers at its socket {remote}",
        hint="check there whether its unit listens (`systemctl list-sockets`) and what its log says; sshd has to let "
        "this account connect to it: AllowStreamLocalForwarding and AllowTcpForwarding `local` or `yes`",
    )
