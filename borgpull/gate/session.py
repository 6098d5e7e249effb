"""What an honest session of `borg create` asks for, in which order. Pure: a message in, bytes for `borg serve` out.

It drops arguments that `borg serve` would ignore, and sets those that the controller has decided, whatever the target
sent.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import msgpack  # type: ignore[import-untyped]

from .messages import MOST_DATA, Message, Refused

ID_LENGTH = 32
MANIFEST = bytes(ID_LENGTH)
# A reservation is 2**28 AES blocks plus the data to encrypt (nonces.py). A session may use 4 PiB: beyond 2**64 nobody
# could encrypt anything for this repository any more.
MOST_NONCES = 1 << 48
_LONGEST_WAIT = 366 * 86400
_LONGEST_PATH = 4096
_LONGEST_VERSION = 8

_NEVER = {
    "save_key": "replace the repository key",
    "break_lock": "break the lock of the repository",
    "destroy": "remove the repository",
    "check": "check the repository, which may repair it",
    "inject_exception": "make borg serve fail",
    "negotiate": "start over",
    "open": "open a repository a second time",
}


class _Phase(Enum):
    NEW = auto()
    NEGOTIATED = auto()
    OPENING = auto()
    OPEN = auto()


class Session:
    """One session of a target with the repository at `path` on the backup server."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._phase = _Phase.NEW
        self._old: set[bytes] = set()
        self._nonces = 0
        self._packer = msgpack.Packer(use_bin_type=False)
        self._allowed: dict[str, Callable[[dict[bytes, Any]], dict[str, Any]]] = {
            "__len__": _nothing,
            "load_key": _nothing,
            "get_free_nonce": _nothing,
            "rollback": _nothing,
            "get": lambda given: {"id": _id(given)},
            "list": _range,
            "scan": _range,
            "put": self._put,
            "delete": self._delete,
            # A client of 1.1 has no `compact`; an append-only serve ignores it.
            "commit": lambda _: {"save_space": False, "compact": False},
            "commit_nonce_reservation": self._reserve,
        }

    def begin(self, old: set[bytes]) -> None:
        """Note that the repository is open, and has these objects."""
        self._old = old
        self._phase = _Phase.OPEN

    def check(self, message: Message) -> bytes:
        """Return the bytes to send to `borg serve` for a message. Raises Refused, which names the method."""
        match (self._phase, message.method):
            case (_Phase.NEW, "negotiate"):
                self._phase = _Phase.NEGOTIATED
                return self._pack((1, message.number, "negotiate", (_version(message.arguments),)))
            case (_Phase.NEGOTIATED, "open"):
                self._phase = _Phase.OPENING
                return self._call(message, self._open(message.arguments))
            case (_Phase.OPEN, method) if method in self._allowed:
                return self._call(message, self._allowed[method](message.arguments))
            case (_, method) if method in _NEVER:
                raise Refused(f"it asked to {_NEVER[method]} ({method})")
            case (_, method) if method in self._allowed:
                raise Refused(f"it called {method} without an open repository")
        raise Refused(f"it called {message.method}, which no borg create does")

    def _call(self, message: Message, arguments: dict[str, Any]) -> bytes:
        return self._pack({"i": message.number, "m": message.method, "a": arguments})

    def _pack(self, value: object) -> bytes:
        packed: bytes = self._packer.pack(value)
        return packed

    def _open(self, given: dict[bytes, Any]) -> dict[str, Any]:
        path, wait = given.get(b"path"), given.get(b"lock_wait")
        if not isinstance(path, bytes) or len(path) > _LONGEST_PATH or not _same(path, self._path):
            raise Refused("it asked for another path than that of its repository (open)")
        for name, words in ((b"create", "create a repository"), (b"append_only", "change how a repository is kept")):
            if given.get(name, False) is not False:
                raise Refused(f"it asked to {words} (open)")
        if given.get(b"lock", True) is not True:
            raise Refused("it asked to work without a lock (open)")
        exclusive = given.get(b"exclusive")
        waits = wait is None or (type(wait) in (int, float) and 0 <= wait <= _LONGEST_WAIT)
        if exclusive not in (None, False, True) or not waits:
            raise Refused("it asked for a lock in a way that borg does not (open)")
        fixed = {"path": self._path, "create": False, "lock": True, "append_only": False}
        return {**fixed, "lock_wait": wait, "exclusive": bool(exclusive)}

    def _put(self, given: dict[bytes, Any]) -> dict[str, Any]:
        id_, data = _id(given), given.get(b"data")
        if not isinstance(data, bytes) or len(data) > MOST_DATA:
            raise Refused("it asked to store an invalid object (put)")
        # The list of archives is the only object that borg overwrites.
        if id_ in self._old and id_ != MANIFEST:
            raise Refused("it asked to overwrite an older object (put)")
        return {"id": id_, "data": data}

    def _delete(self, given: dict[bytes, Any]) -> dict[str, Any]:
        # This session stored what is not old: nobody else writes while it holds the lock.
        id_ = _id(given)
        if id_ == MANIFEST:
            raise Refused("it asked to delete the list of archives (delete)")
        if id_ in self._old:
            raise Refused("it asked to delete an older object (delete)")
        return {"id": id_}

    def _reserve(self, given: dict[bytes, Any]) -> dict[str, Any]:
        first, start = given.get(b"next_unreserved"), given.get(b"start_nonce")
        if type(first) is not int or not (start is None or type(start) is int):
            raise Refused("it asked for a nonce that is not a number (commit_nonce_reservation)")
        # serve refuses a start other than the current nonce: so this check keeps the nonce from going back.
        taken = first - (start or 0)
        if taken < 0 or first < 0:
            raise Refused("it asked to lower the nonce (commit_nonce_reservation)")
        self._nonces += taken
        if self._nonces > MOST_NONCES:
            raise Refused("it asked for more nonces than it can use (commit_nonce_reservation)")
        return {"next_unreserved": first, "start_nonce": start}


def _nothing(_: dict[bytes, Any]) -> dict[str, Any]:
    return {}


def _id(given: dict[bytes, Any]) -> bytes:
    id_ = given.get(b"id")
    if not isinstance(id_, bytes) or len(id_) != ID_LENGTH:
        raise Refused("it named an object by an invalid id")
    return id_


def _range(given: dict[bytes, Any]) -> dict[str, Any]:
    limit, marker = given.get(b"limit"), given.get(b"marker")
    if limit is not None and (type(limit) is not int or not 1 <= limit < 1 << 63):
        raise Refused("it asked for a list of an invalid length (list)")
    return {"limit": limit, "marker": None if marker is None else _id({b"id": marker})}


def _version(given: dict[bytes, Any]) -> dict[str, Any]:
    client_data = given.get(b"client_data")
    version = client_data.get(b"client_version") if isinstance(client_data, dict) else None
    if not isinstance(version, tuple) or not 1 <= len(version) <= _LONGEST_VERSION:
        raise Refused("it sent no version, like borg before 1.1 (negotiate)")
    if any(type(number) is not int or not -1000 < number < 1 << 31 for number in version):
        raise Refused("it sent an invalid version (negotiate)")
    return {"client_version": version}


def _same(path: bytes, pinned: str) -> bool:
    # A URL with two slashes after its host leaves both in the path.
    return b"/" + posixpath.normpath(path).lstrip(b"/") == pinned.encode("utf-8", "surrogateescape")
