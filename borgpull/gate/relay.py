"""The gate on its place in the road: between the socket that T's borg writes to, and the one that B's serve reads from.

No faster than both sides are, and with no more than one message in memory. What B answers is passed on as it is.
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
# To take in so many keeps this process from its other work for some 20 ms.
_LIST = 20_000
# A repository of 270 TB.
_MOST_OBJECTS = 1 << 27
_MOST_ANSWER = 4 * 1024 * 1024
_MOST_ENTRIES = 16


@dataclass
class GateReport:
    """What the gate has to tell of a session, in clean words; both are empty when all was well.

    `refused` is what T's borg asked for when it was stopped, `broken` why B's serve could not be asked for the objects.
    """

    refused: str = ""
    broken: str = ""


class _BrokenError(Exception):
    """B's serve does not say which objects there are; the message says how."""


async def pass_gate(client: socket.socket, server: socket.socket, path: str, account: GateReport) -> None:
    """Have the gate stand between `client`, connected to T's borg, and `server`, connected to a `borg serve` on B.

    Ends with the session with the repository at `path`, however that ends; what there is to tell goes to `account`.
    """
    for end in (client, server):
        end.setblocking(False)
    await _Relay(client, server, Session(path)).run(account)


@contextlib.asynccontextmanager
async def through_gate(client: socket.socket, path: str, account: GateReport) -> AsyncIterator[socket.socket]:
    """Have the gate read what `client`, connected to T's borg, asks of the repository at `path` on B.

    Yields the socket that takes its place on the road to `borg serve`, to be closed once the serve has it. `account` is
    complete when the context ends. When the session is stopped, both sides see the end of their connection; what T did
    not commit by then is dropped by Borg.
    """
    ours, theirs = socket.socketpair()
    with client, ours, theirs:
        relay = asyncio.create_task(pass_gate(client, ours, path, account))
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

    async def run(self, account: GateReport) -> None:
        try:
            async with contextlib.aclosing(self._questions()) as questions:
                if await self._opened(questions):
                    await self._pass_on(questions)
        except* Refused as refused:
            account.refused = str(refused.exceptions[0])
        except* _BrokenError as broken:
            account.broken = str(broken.exceptions[0])
        except* ConnectionError:
            pass
        finally:
            # Both are told, whoever else holds a copy of the descriptors.
            for end in (self.client, self.server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    async def _questions(self) -> AsyncGenerator[Message, None]:
        loop = asyncio.get_running_loop()
        while length := await loop.sock_recv_into(self.client, self.buffer):
            for message in self.reader.read(memoryview(self.buffer)[:length]):
                yield message
            # What there is to read is read without waiting: nobody else would have a turn.
            await asyncio.sleep(0)

    async def _opened(self, questions: AsyncGenerator[Message, None]) -> bool:
        """Let T open its repository, and ask which objects it holds before T hears of it; False when it is not open."""
        answer = b""
        for _ in range(2):
            await self._send(self.client, answer)
            question = await anext(questions, None)
            if question is None:
                return False
            good, answer = await self._answer(self.session.admit(question))
            if not good:
                # Borg on T explains what it cannot read better than we could.
                await self._send(self.client, answer)
                return False
        self.session.begin(await self._objects())
        await self._send(self.client, answer)
        return True

    async def _objects(self) -> set[bytes]:
        count = await self._ask("__len__")
        if type(count) is not int or not 0 <= count <= _MOST_OBJECTS:
            raise _BrokenError(f"it says that there are {clean(str(count))} objects")
        objects: set[bytes] = set()
        marker = None
        while ids := await self._ask("list", limit=_LIST, marker=marker):
            if len(objects) > count or not isinstance(ids, list) or not all(map(_is_id, ids)):
                raise _BrokenError("its list of objects is none")
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
        """Say `call` to B; return what it answers, and whether that is an answer and no error."""
        loop = asyncio.get_running_loop()
        unpacker = msgpack.Unpacker(raw=True, max_buffer_size=_MOST_ANSWER, max_map_len=_MOST_ENTRIES)
        whole = bytearray()
        with contextlib.suppress(ConnectionError, msgpack.UnpackException, ValueError, TypeError):
            await self._send(self.server, call)
            while data := await loop.sock_recv(self.server, _CHUNK):
                whole += data
                unpacker.feed(data)
                with contextlib.suppress(msgpack.OutOfData):
                    return _is_good(unpacker.unpack()), bytes(whole)
        if not whole:
            raise _BrokenError("it ended before it answered")
        return False, bytes(whole)

    async def _pass_on(self, questions: AsyncGenerator[Message, None]) -> None:
        async with asyncio.TaskGroup() as sides:
            inward = sides.create_task(self._inward(questions))
            await self._outward()
            inward.cancel()

    async def _inward(self, questions: AsyncGenerator[Message, None]) -> None:
        with contextlib.suppress(ConnectionError):
            async for question in questions:
                await self._send(self.server, self.session.admit(question))
            self.server.shutdown(socket.SHUT_WR)

    async def _outward(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self.server, _CHUNK):
            await loop.sock_sendall(self.client, data)
            await asyncio.sleep(0)

    @staticmethod
    async def _send(end: socket.socket, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(end, data)


def _is_good(answer: object) -> bool:
    match answer:
        case {b"i": _, b"r": _} | [1, _, None, _]:
            return True
        case _:
            return False


def _is_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == ID_LENGTH
