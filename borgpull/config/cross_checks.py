"""What no single field shows: targets that get in each other's way, keys that need or exclude each other.

It looks only at fields that are valid by themselves, so that no mistake is reported twice.
"""

from __future__ import annotations

import difflib
import posixpath
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ..errors import ConfigProblem
from . import units
from .address import repository_path, socket_of
from .key_paths import Place, format_place, value_at
from .model import Options

_PROXY_JUMP = ("ProxyJumpHost", "ProxyJumpKnownHost", "ProxyJumpUsername", "ProxyJumpPrivateKey")
_APPEND_SOCKET, _FULL_SOCKET = ("Borg", "Server", "AppendSocket"), ("Borg", "Server", "FullSocket")
_WITHOUT_SHELL: tuple[Place, ...] = (_APPEND_SOCKET, _FULL_SOCKET, ("Borg", "StateDir"))
# sun_path has 108 bytes, the last of them a zero.
_LONGEST_SOCKET = 107


@dataclass(frozen=True, kw_only=True)
class ValidFields:
    """The fields of a config that are valid by themselves: those of `tree` that are not `broken`."""

    tree: dict[str, Any]
    broken: frozenset[Place] = field(default_factory=frozenset)

    def text(self, *place: str | int) -> str | None:
        """Return the text at a place; None when it is missing, of another type, or broken."""
        found = value_at(self.tree, place)
        return found if isinstance(found, str) and place not in self.broken else None

    def numbers(self, *place: str | int) -> range:
        """Return the numbers of the entries of a list."""
        entries = value_at(self.tree, place)
        return range(len(entries) if isinstance(entries, list) else 0)


def problems(fields: ValidFields) -> Iterator[ConfigProblem]:
    """Yield what is wrong between the fields of a config."""
    yield from _connection_problems(fields, ("Borg", "Server"))
    yield from _name_problems(fields, "target", "Servers")
    for number in fields.numbers("Servers"):
        yield from _connection_problems(fields, ("Servers", number, "Connection"))
        yield from _name_problems(fields, "stream", "Servers", number, "Streams")
        yield from _lock_wait_problems(fields, number)
        yield from _group_problems(fields, number)
    yield from _prune_problems(fields)
    yield from _socket_problems(fields)
    yield from _repository_problems(fields)


def _lock_wait_problems(fields: ValidFields, number: int) -> Iterator[ConfigProblem]:
    """A borg that waits for a lock transfers nothing: it must not look like one that hangs."""
    place = ("Servers", number, "LockWait")
    wait, stall = fields.text(*place), fields.text("Servers", number, "StallTimeout")
    limit = units.seconds(stall) if stall else Options().stall_timeout
    if wait and units.seconds(wait) >= limit:
        yield ConfigProblem("is not shorter than StallTimeout: shorten it, or raise StallTimeout", place=place)


def _group_problems(fields: ValidFields, number: int) -> Iterator[ConfigProblem]:
    group, groups = fields.text("Servers", number, "Group"), value_at(fields.tree, ("Borg", "Groups"))
    known = sorted(groups) if isinstance(groups, dict) else []
    if group and group not in known:
        nearest = difflib.get_close_matches(group, known, n=1)
        remedy = f"did you mean `{nearest[0]}`?" if nearest else f"add a [Borg.Groups.{group}] table"
        yield ConfigProblem(f"is no group of this config: {remedy}", place=("Servers", number, "Group"))


def _prune_problems(fields: ValidFields) -> Iterator[ConfigProblem]:
    """Yield where it is not said which archives to keep."""
    places: list[Place] = [("Servers", number, "PruneSetting") for number in fields.numbers("Servers")]
    missing = [place for place in places if value_at(fields.tree, place) is None]
    if missing == places:
        missing = [place for place in [("Borg", "PruneSetting")] if value_at(fields.tree, place) is None]
    if isinstance(value_at(fields.tree, ("Borg",)), dict):
        for place in missing:
            yield ConfigProblem("is missing: add the archives to keep, as options of `borg prune`", place=place)


def _connection_problems(fields: ValidFields, place: Place) -> Iterator[ConfigProblem]:
    keys = [key for key in ("PrivateKey", "PrivateKeyCommand") if value_at(fields.tree, (*place, key)) is not None]
    if not keys and isinstance(value_at(fields.tree, place), dict):
        yield ConfigProblem("is missing: add it, or PrivateKeyCommand", place=(*place, "PrivateKey"))
    if len(keys) > 1:
        yield ConfigProblem("is set beside PrivateKey: remove one of them", place=(*place, keys[1]))
    given = [key for key in _PROXY_JUMP if value_at(fields.tree, (*place, key))]
    if "ProxyJumpHost" in given and "ProxyJumpKnownHost" not in given:
        words = "is missing: add the output of `ssh-keyscan` for ProxyJumpHost"
        yield ConfigProblem(words, place=(*place, "ProxyJumpKnownHost"))
    if given and "ProxyJumpHost" not in given:
        yield ConfigProblem(f"is missing: add it, or remove {given[0]}", place=(*place, "ProxyJumpHost"))
    if given and value_at(fields.tree, (*place, "Jumps")):
        yield ConfigProblem(f"is set beside {given[0]}: write that host as one of the Jumps", place=(*place, "Jumps"))


def _socket_problems(fields: ValidFields) -> Iterator[ConfigProblem]:
    missing = [place for place in _WITHOUT_SHELL if not value_at(fields.tree, place)]
    if 0 < len(missing) < len(_WITHOUT_SHELL):
        words = "is missing: AppendSocket, FullSocket and StateDir work only together; write all three, or none"
        yield ConfigProblem(words, place=missing[0])
    append = fields.text(*_APPEND_SOCKET)
    if append and append == fields.text(*_FULL_SOCKET):
        yield ConfigProblem("is the same as AppendSocket: it would give a target full access", place=_FULL_SOCKET)
    for place in (_APPEND_SOCKET, _FULL_SOCKET):
        for number in fields.numbers("Servers"):
            socket, sub_dir = fields.text(*place), fields.text("Servers", number, "BorgTarget", "SubDir")
            if socket and sub_dir and len(socket_of(socket, sub_dir).encode()) > _LONGEST_SOCKET:
                words = f"makes the path in {place[-1]} longer than {_LONGEST_SOCKET} bytes: shorten one of them"
                yield ConfigProblem(words, place=("Servers", number, "BorgTarget", "SubDir"))


def _name_problems(fields: ValidFields, kind: str, *entries: str | int) -> Iterator[ConfigProblem]:
    """Yield which entries of a list have the name of an earlier one."""
    first: dict[str, int] = {}
    for number in fields.numbers(*entries):
        place = (*entries, number, "Name")
        name = fields.text(*place)
        other = number if name is None else first.setdefault(unicodedata.normalize("NFC", name.strip()), number)
        if other != number:
            yield ConfigProblem(f"is the name of {entries[-1]}[{other}] too: each {kind} needs its own", place=place)


def _repository_problems(fields: ValidFields) -> Iterator[ConfigProblem]:
    """Yield which repositories are the same, or inside each other."""
    paths = {number: path for number in fields.numbers("Servers") if (path := _repository(fields, number))}
    first: dict[str, int] = {}
    for number, path in paths.items():
        first.setdefault(path, number)
    for number, path in paths.items():
        place = ("Servers", number, "BorgTarget", "SubDir")
        if first[path] != number:
            other = format_place(("Servers", first[path]), fields.tree)
            yield ConfigProblem(f"is the repository of {other} too: give each target its own folder", place=place)
        for outer in (first[str(folder)] for folder in PurePosixPath(path).parents if str(folder) in first):
            other = format_place(("Servers", outer), fields.tree)
            yield ConfigProblem(f"is inside the repository of {other}: move it beside that one", place=place)
        # borg serve 1.2.4 and 1.4.5 expands a path that begins with exactly one slash and `~`.
        written = f"/{fields.text('Borg', 'RootDir')}/{fields.text(*place)}"
        if fields.text("Borg", "RootDir") and posixpath.normpath(written).startswith("/~"):
            yield ConfigProblem("begins with `~`, which borg expands to a home: choose another folder", place=place)


def _repository(fields: ValidFields, number: int) -> str | None:
    sub_dir = fields.text("Servers", number, "BorgTarget", "SubDir")
    return sub_dir and repository_path(fields.text("Borg", "RootDir") or "/", sub_dir)
