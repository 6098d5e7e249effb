"""The gate in the transport: between the socket of the target's borg, and the one that `borg serve` reads from.

It reads no faster than both sides are, and holds one message at most. It passes answers on unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgpack  # type: ignore[import-untyped]

from ..untrusted import clean
from .messages import Message, Reader, Refused
from .session import ID_LENGTH, Session

_CHUNK = 256 * 1024
# To read so many ids takes this process some 20 ms.
_LIST = 20_000
# A repository of 270 TB.
_MOST_OBJECTS = 1 << 27
_MOST_ANSWER = 4 * 1024 * 1024
_MOST_ENTRIES = 16


@dataclass
class GateReport:
    """The gate's result of a session, in clean words; both are empty when all was well.

    `refused` is the request for which the gate stopped the target's borg, `broken` why `borg serve` did not list its
    objects.
    """

    refused: str = ""
    broken: str = ""


class _BrokenError(Exception):
    """The serve does not list its objects; the message says how."""


async def pass_gate(client: socket.socket, server: socket.socket, path: str, report: GateReport) -> None:
    """Pass a session on between `client`, a target's borg, and `server`, a `borg serve` for the repository at `path`.

    Returns when the session has ended in any way, with its result in `report`.
    """
    for end in (client, server):
        end.setblocking(False)
    await _Relay(client, server, Session(path)).run(report)


@contextlib.asynccontextmanager
async def through_gate(client: socket.socket, path: str, report: GateReport) -> AsyncIterator[socket.socket]:
    """Put the gate between `client`, a target's borg, and the `borg serve` for the repository at `path`.

    Yields the socket for the serve, to close once the serve has it. `report` is complete when the context ends. When
    the gate stops the session, both sides see the end of their connection, and Borg drops what is not committed.
    """
    ours, theirs = socket.socketpair()
    with client, ours, theirs:
        relay = asyncio.create_task(pass_gate(client, ours, path, report))
        try:
            yield theirs
            theirs.close()
            await relay
        finally:
            relay.cancel()
            await asyncio.wait({relay})


@dataclass
class _Relay:
    client: socket.socket
    server: socket.socket
    session: Session
    reader: Reader = field(default_factory=Reader)
    buffer: bytearray = field(default_factory=lambda: bytearray(_CHUNK))

    async def run(self, report: GateReport) -> None:
        try:
            async with contextlib.aclosing(self._requests()) as requests:
                if await self._open(requests):
                    await self._pass_on(requests)
        except* Refused as refused:
            report.refused = str(refused.exceptions[0])
        except* _BrokenError as broken:
            report.broken = str(broken.exceptions[0])
        except* ConnectionError:
            pass
        finally:
            # Both sides see the end, even if another process holds a copy of the descriptors.
            for end in (self.client, self.server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    async def _requests(self) -> AsyncGenerator[Message, None]:
        loop = asyncio.get_running_loop()
        while length := await loop.sock_recv_into(self.client, self.buffer):
            for message in self.reader.read(memoryview(self.buffer)[:length]):
                yield message
            # A read that has data does not yield to other tasks.
            await asyncio.sleep(0)

    async def _open(self, requests: AsyncGenerator[Message, None]) -> bool:
        """Let the target open its repository, and list the objects before it gets the answer; False if that failed."""
        answer = b""
        for _ in range(2):
            await self._send(self.client, answer)
            request = await anext(requests, None)
            if request is None:
                return False
            good, answer = await self._answer(self.session.check(request))
            if not good:
                # Borg on the target explains an error best itself.
                await self._send(self.client, answer)
                return False
        self.session.begin(await self._objects())
        await self._send(self.client, answer)
        return True

    async def _objects(self) -> set[bytes]:
        count = await self._ask("__len__")
        if type(count) is not int or not 0 <= count <= _MOST_OBJECTS:
            raise _BrokenError(f"it reports {clean(str(count))} objects")
        objects: set[bytes] = set()
        marker = None
        while ids := await self._ask("list", limit=_LIST, marker=marker):
            valid = isinstance(ids, list) and all(isinstance(id_, bytes) and len(id_) == ID_LENGTH for id_ in ids)
            if not valid or len(objects) > count:
                raise _BrokenError("its list of objects is invalid")
            objects.update(ids)
            marker = ids[-1]
            await asyncio.sleep(0)
        return objects

    async def _ask(self, method: str, **arguments: object) -> Any:  # noqa: ANN401 - checked by who asks
        call: bytes = msgpack.packb({"i": 0, "m": method, "a": arguments}, use_bin_type=False)
        good, answer = await self._answer(call)
        found = msgpack.unpackb(answer, raw=True) if good else None
        if not isinstance(found, dict) or b"r" not in found:
            raise _BrokenError(f"it does not answer to {method}")
        return found[b"r"]

    async def _answer(self, call: bytes) -> tuple[bool, bytes]:
        """Send `call` to the serve; return whether it succeeded, and the answer."""
        loop = asyncio.get_running_loop()
        unpacker = msgpack.Unpacker(raw=True, max_buffer_size=_MOST_ANSWER, max_map_len=_MOST_ENTRIES)
        whole = bytearray()
        with contextlib.suppress(ConnectionError, msgpack.UnpackException, ValueError, TypeError):
            await self._send(self.server, call)
            while data := await loop.sock_recv(self.server, _CHUNK):
                whole += data
                unpacker.feed(data)
                with contextlib.suppress(msgpack.OutOfData):
                    match unpacker.unpack():
                        case {b"i": _, b"r": _} | [1, _, None, _]:
                            return True, bytes(whole)
                    break
        if not whole:
            raise _BrokenError("it ended before it answered")
        return False, bytes(whole)

    async def _pass_on(self, requests: AsyncGenerator[Message, None]) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as sides:
            requests_task = sides.create_task(self._pass_requests(requests))
            while data := await loop.sock_recv(self.server, _CHUNK):
                await loop.sock_sendall(self.client, data)
                await asyncio.sleep(0)
            requests_task.cancel()

    async def _pass_requests(self, requests: AsyncGenerator[Message, None]) -> None:
        with contextlib.suppress(ConnectionError):
            async for request in requests:
                await self._send(self.server, self.session.check(request))
            self.server.shutdown(socket.SHUT_WR)

    @staticmethod
    async def _send(end: socket.socket, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(end, data)
