"""A TCP relay that hands on every byte a while later: a link with a round trip, for one that the kernel cannot delay.

It holds back as little as TCP itself would: each way is read as fast as it comes, and written when its time has come.
"""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator

_CHUNK = 256 * 1024
# More than two seconds of a fast link may not wait here.
_MOST_CHUNKS = 1024


@contextlib.contextmanager
def relay_to(port: int, *, round_trip: float) -> Iterator[int]:
    """Relay to a port of loopback, in a process of its own; `round_trip` is in seconds. Yields the relay's port."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_serve, args=(port, round_trip / 2, sender), daemon=True)
    process.start()
    try:
        yield receiver.recv()
    finally:
        process.kill()
        process.join()


def _serve(port: int, delay: float, told) -> None:
    async def serve() -> None:
        async def answer(reader, writer) -> None:
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_one_way(reader, onward_writer, delay), _one_way(onward_reader, writer, delay))

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def _one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    clock = asyncio.get_running_loop().time
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_CHUNKS)

    async def take() -> None:
        while True:
            chunk = await reader.read(_CHUNK)
            await waiting.put((clock() + delay, chunk))
            if not chunk:
                return

    taking = asyncio.create_task(take())
    with contextlib.suppress(ConnectionError):
        while True:
            due, chunk = await waiting.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
    taking.cancel()
    writer.close()
