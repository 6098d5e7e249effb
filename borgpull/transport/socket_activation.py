"""The road to a B that gives no shell: a unix socket there, behind which systemd starts a `borg serve` for each client.

Nothing is seen of that serve but what it answers: neither its standard error nor its exit status.
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
async def forwarded_socket(master: ssh.Master, there: str, directory: Path) -> AsyncIterator[Path]:
    """Yield a socket in `directory` here that leads to the socket `there` on B, for as long as the context lasts."""
    place = directory / f"b{secrets.token_hex(8)}"
    async with master.forward_local(place, there):
        yield place


async def connected(place: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(connection, str(place))
    except BaseException:
        connection.close()
        raise
    return connection


async def probe_serve(place: Path) -> Greeting | None:
    """Ask whether a `borg serve` answers behind a socket here; opens no repository."""
    loop = asyncio.get_running_loop()
    answer = b""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_GREETING_SECONDS):
            with await connected(place) as connection:
                await loop.sock_sendall(connection, QUESTION)
                while not read_greeting(answer) and len(answer) < _LONGEST_GREETING:
                    if not (more := await loop.sock_recv(connection, _LONGEST_GREETING)):
                        break
                    answer += more
    return read_greeting(answer)


def no_serve_answers(party: str, there: str) -> Failure:
    """Say that no `borg serve` answers behind a socket on B."""
    return Failure(
        party,
        f"no borg serve answers at its socket {there}",
        hint="see there whether its unit listens (`systemctl list-sockets`) and what its log says; sshd has to let "
        "this account connect to it: AllowStreamLocalForwarding and AllowTcpForwarding `local` or `yes`",
    )
