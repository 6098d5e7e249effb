"""The version of a host's borg, and whether borgpull can work with it. What borg says of itself is untrusted text.

A `borg serve` says it in the first message of Borg's own protocol, which opens no repository. 1.2.4 and 1.4.5 both
understand QUESTION; the answer is `{i: 0, r: {server_version: [1, 4, 5, -1]}}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgpack  # type: ignore[import-untyped]

from ..errors import CONTROLLER, Failure
from ..untrusted import clean
from .failure import borg_setting, not_unpacked

# Borg says the name of its file first: "borg-linux64 1.2.4".
_VERSION = re.compile(r".{1,255} ([0-9]{1,3})\.([0-9]{1,3})([0-9A-Za-z.+-]{0,20})", re.ASCII)
_OLDEST, _NEXT = (1, 2), (2, 0)
_WORKING = "borg 1.2 or 1.4"

QUESTION: bytes = msgpack.packb({"i": 0, "m": "negotiate", "a": {"client_data": {"client_version": (1, 2, 0)}}})
_SERVER_VERSION = b"server_version"
# A map of two, as Borg answers: something else printed whatever comes before it.
_ANSWER = b"\x82"


def read_version(party: str, text: str) -> str:
    """Return the version in the output of `borg --version`. Raises Failure when it is unsupported."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        if failure := not_unpacked(party, text):
            raise failure
        said = f": {clean(text, longest=80)}" if text.strip() else ""
        where = "on the controller" if party == CONTROLLER else "there"
        hint = f"run `borg --version` {where}; borgpull needs {_WORKING}"
        raise Failure(party, f"its borg does not print its version{said}", hint=hint)
    version = f"{found[1]}.{found[2]}{found[3]}"
    if not _OLDEST <= (int(found[1]), int(found[2])) < _NEXT:
        why = "makes another kind of repository" if int(found[1]) >= _NEXT[0] else "is too old"
        raise Failure(party, f"its borg {version} {why}", hint=f"install {_WORKING}{borg_setting(party)}")
    return version


@dataclass(frozen=True)
class Greeting:
    """The answer of a `borg serve`: its version, and whether something else printed before it on the same stream."""

    version: str
    preceded: bool


def read_greeting(data: bytes) -> Greeting | None:
    """Read the answer to QUESTION; None when no `borg serve` answered."""
    before, found, after = data.partition(_SERVER_VERSION)
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
    return Greeting(".".join(str(number) for number in numbers[:3]), not before.startswith(_ANSWER))
