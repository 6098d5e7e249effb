"""Borg's `hints.N`: how many live objects each segment holds, and how much of it could be freed.

Facts, the same in Borg 1.2.4 and 1.4.5 (repository.py, `write_index` and `prepare_txn`): msgpack of a map with the
keys version (2), segments, compact, storage_quota_use, shadow_index, in this order. N is the number of the segment
that ends with the last commit. After a crash between the commit and the hints, whatever opens the repository replays
the commit (live counts as before, compactable a few bytes more). Lost hints of a commit whose index is there are
rebuilt by the next writer only, neither by `borg list` nor by `borg check`. Reading raises nothing but ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgpack  # type: ignore[import-untyped]

VERSION = 2
# The segment at the end of a commit, when it holds nothing else: always the same bytes (1.2.4 and 1.4.5).
COMMITTED = bytes.fromhex("424f52475f534547 40f43c25 09000000 02")
# Up to 20 bytes per segment. The shadow index after it grows with each pruned object; nothing here needs it.
HEAD = 8 * 1024 * 1024
# In memory each takes ten times the bytes that it may take in the file.
MOST_SEGMENTS = HEAD // 16
_MOST_SEGMENT_NUMBER = 1 << 32
_MOST_VALUE = 1 << 40
_MOST_USED = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Hints:
    """The state after one transaction, by segment: `live` objects, and bytes that `borg compact` may free.

    `used` are the bytes of all live objects, by Borg's own count (storage_quota_use, which it keeps without a quota
    too); -1 where the hints are cut off before it. A commit writes 9 bytes that count as compactable, so they are there
    even when there is nothing to free.
    """

    live: Mapping[int, int]
    compactable: Mapping[int, int]
    used: int

    @property
    def freeable(self) -> int:
        """Return the most bytes that `borg compact --threshold 0` could free."""
        return sum(self.compactable.values())


def read_hints(data: bytes) -> Hints:
    """Read the beginning of a `hints.N`; its shadow index is not read, and may be cut off.

    Raises ValueError when Borg 1.1 and later do not write such hints.
    """
    unpacker = msgpack.Unpacker(
        raw=True,
        strict_map_key=False,
        max_map_len=MOST_SEGMENTS,
        max_array_len=0,
        max_ext_len=0,
        max_str_len=32,
        max_bin_len=0,
    )
    try:
        unpacker.feed(data[:HEAD])
        unpacker.read_map_header()
        _expect(unpacker, b"version")
        if unpacker.unpack() != VERSION:
            raise ValueError
        _expect(unpacker, b"segments")
        live = _read_numbers(unpacker)
        _expect(unpacker, b"compact")
        compactable = _read_numbers(unpacker)
        try:
            _expect(unpacker, b"storage_quota_use")
            used = _number(unpacker.unpack(), _MOST_USED)
        except msgpack.OutOfData:
            used = -1
        return Hints(live=live, compactable=compactable, used=used)
    except (msgpack.UnpackException, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"the hints are not what Borg writes ({type(error).__name__})") from None


def is_integrity(data: bytes) -> bool:
    """Return whether this is a valid `integrity.N`; borg serve dies of an empty or truncated one (1.2.4, 1.4.5)."""
    try:
        return isinstance(msgpack.unpackb(data, raw=True, max_map_len=16, max_array_len=0, max_ext_len=0), dict)
    except (msgpack.UnpackException, ValueError, TypeError):
        return False


def _expect(unpacker: msgpack.Unpacker, key: bytes) -> None:
    if unpacker.unpack() != key:
        raise ValueError


def _read_numbers(unpacker: msgpack.Unpacker) -> Mapping[int, int]:
    # msgpack does not check the length in a map's header (1.2.4).
    length = unpacker.read_map_header()
    if length > MOST_SEGMENTS:
        raise ValueError
    numbers: dict[int, int] = {}
    for _ in range(length):
        segment = _number(unpacker.unpack(), _MOST_SEGMENT_NUMBER)
        if segment in numbers:
            raise ValueError
        numbers[segment] = _number(unpacker.unpack(), _MOST_VALUE)
    return MappingProxyType(numbers)


def _number(value: object, most: int) -> int:
    if type(value) is not int:
        raise TypeError
    if not 0 <= value < most:
        raise ValueError
    return value
