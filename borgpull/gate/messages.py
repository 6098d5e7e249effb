"""Reads the messages of a borg client from an untrusted stream of msgpack: bounded, and raises only Refused.

Facts, the same in Borg 1.1 to 1.4 (remote.py): there are no lengths between messages; strings are of msgpack's old raw
kind. The first message, negotiate, is the list [1, number, method, [arguments by position]]; all others are the map
{i: number, m: method, a: {name: argument}}.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack  # type: ignore[import-untyped]

from ..untrusted import clean

# MAX_DATA_SIZE in Borg's constants.py: the longest object that it stores.
MOST_DATA = 20_971_479
# What a message has besides an object, and the beginning of the next one.
_MARGIN = 1024 * 1024
# put has three: the map, its arguments, and none in them; negotiate has four.
_MOST_CONTAINERS = 4
_MOST_ENTRIES = 16
_MOST_NUMBER = 1 << 63
_LONGEST_METHOD = 40


class Refused(Exception):
    """The target's borg asked for what no honest `borg create` asks for; the message names it in clean words."""


@dataclass(frozen=True)
class Message:
    """A call of `method` with arguments by name; the only argument of negotiate comes by position."""

    number: int
    method: str
    arguments: dict[bytes, Any]


class Reader:
    """Splits a stream of bytes into messages. It holds one message, and what came with it, at most."""

    def __init__(self) -> None:
        self._containers = 0
        self._unpacker = msgpack.Unpacker(
            raw=True,
            strict_map_key=True,
            object_pairs_hook=self._map,
            list_hook=self._list,
            max_buffer_size=MOST_DATA + _MARGIN,
            max_str_len=MOST_DATA,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=_MOST_ENTRIES,
            max_map_len=_MOST_ENTRIES,
        )

    def read(self, data: bytes | memoryview) -> Iterator[Message]:
        """Yield the messages that these bytes, at most a MiB, complete. Raises Refused."""
        try:
            self._unpacker.feed(data)
            for value in self._unpacker:
                self._containers = 0
                yield _message(value)
        except (msgpack.UnpackException, ValueError, TypeError, OverflowError, RecursionError):
            raise Refused("it does not speak the protocol of borg 1.1 to 1.4") from None

    # An empty list takes a byte in the stream and sixty in memory: no message has more than a few.
    def _map(self, pairs: list[tuple[bytes, Any]]) -> dict[bytes, Any]:
        self._count()
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError
        return found

    def _list(self, values: list[Any]) -> tuple[Any, ...]:
        self._count()
        return tuple(values)

    def _count(self) -> None:
        self._containers += 1
        if self._containers > _MOST_CONTAINERS:
            raise ValueError


def _message(value: Any) -> Message:  # noqa: ANN401 - checked here
    match value:
        case {b"i": number, b"m": bytes(method), b"a": dict(arguments)} if len(value) == 3:
            return Message(_number(number), clean(method, longest=_LONGEST_METHOD), arguments)
        case (1, number, b"negotiate", (client_data,)):
            return Message(_number(number), "negotiate", {b"client_data": client_data})
        case _:
            raise ValueError


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < _MOST_NUMBER:
        raise ValueError
    return value
