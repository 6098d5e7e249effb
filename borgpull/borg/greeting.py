"""The first words of Borg's own protocol: they show that a `borg serve` answers, and open no repository.

The question is understood by 1.2.4 and 1.4.5 alike; the answer is `{i: 0, r: {server_version: [1, 4, 5, -1]}}`.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgpack  # type: ignore[import-untyped]

QUESTION: bytes = msgpack.packb({"i": 0, "m": "negotiate", "a": {"client_data": {"client_version": (1, 2, 0)}}})
_KEY = b"server_version"
# A map of two, as Borg answers: whatever comes before it was said by something else.
_BEGINNING = b"\x82"


@dataclass(frozen=True)
class Greeting:
    """What a `borg serve` answered: its version, and whether something else spoke before it on the same stream."""

    version: str
    preceded: bool


def read_greeting(data: bytes) -> Greeting | None:
    """Read the answer to QUESTION; None when no `borg serve` answered."""
    before, found, after = data.partition(_KEY)
    if not found:
        return None
    unpacker = msgpack.Unpacker(max_array_len=8, max_str_len=0, max_bin_len=0, max_map_len=0, max_ext_len=0)
    unpacker.feed(after[:64])
    try:
        numbers = unpacker.unpack()
    except (msgpack.UnpackException, ValueError):
        return None
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        return None
    return Greeting(".".join(str(number) for number in numbers[:3]), not before.startswith(_BEGINNING))
