"""The members of a tar that is wholly in memory, by their headers alone: name, kind, and where the data lies.

Python's tarfile is not fit for hostile bytes: an extended header of 64 kB costs it seconds, one of a megabyte an hour
(3.11.7; CVE-2024-6232, CVE-2025-8194). Extended headers say nothing here that would be needed: they are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK = 512
_NAME, _SIZE, _CHECKSUM, _KIND = slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157)
_PLAIN = (b"0", b"\0")
# GNU tar writes these with --format=posix, for times.
_EXTENDED = (b"x", b"g")
_OCTAL = re.compile(rb" *([0-7]{1,11})[ \0]*")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member; its data is `size` bytes from `start`. `plain` tells whether it is a plain file."""

    name: str
    plain: bool
    start: int
    size: int


def members(data: bytes) -> Iterator[Member]:
    """Yield the members of a tar (ustar, GNU or pax) up to its end mark, or to the end of the data.

    Raises ValueError when it is damaged or cut off.
    """
    place = 0
    while header := data[place : place + _BLOCK]:
        if not header.strip(b"\0"):
            return
        size = _number(header[_SIZE])
        start = place + _BLOCK
        if start + size > len(data) or _number(header[_CHECKSUM]) != _checksum(header):
            raise ValueError
        if header[_KIND] not in _EXTENDED:
            # A folder's name ends with a slash.
            name = header[_NAME].partition(b"\0")[0].decode("ascii", "replace").removesuffix("/")
            yield Member(name=name, plain=header[_KIND] in _PLAIN, start=start, size=size)
        place = start + size + -size % _BLOCK


def _number(field: bytes) -> int:
    digits = _OCTAL.fullmatch(field)
    if digits is None:
        raise ValueError
    return int(digits[1], 8)


def _checksum(header: bytes) -> int:
    return sum(header) - sum(header[_CHECKSUM]) + len(header[_CHECKSUM]) * ord(" ")
