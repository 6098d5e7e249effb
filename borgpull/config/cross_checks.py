"""What no single field can tell: targets in each other's way, keys that need or exclude each other.

It judges only fields that are right by themselves, so that one mistake is told once.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import units
from .model import Options
from .paths import repository_path, socket_of
from .problem import Place, Problem, at, named

_PROXY_JUMP = ("ProxyJumpHost", "ProxyJumpKnownHost", "ProxyJumpUsername", "ProxyJumpPrivateKey")
# sun_path has 108 bytes, the last of them a zero.
_LONGEST_SOCKET = 107


@dataclass(frozen=True, kw_only=True)
class ValidFields:
    """The fields of a config that are right by themselves: those of `tree` that are not `broken`."""

    tree: dict[str, Any]
    broken: frozenset[Place] = field(default_factory=frozenset)

    def text(self, *place: str | int) -> str | None:
        """Return the text at a place; None when it is missing, of another type, or broken."""
        found = at(self.tree, place)
        return found if isinstance(found, str) and place not in self.broken else None

    def numbers(self, *place: str | int) -> range:
        """Return the numbers of the entries of a list."""
        entries = at(self.tree, place)
        return range(len(entries) if isinstance(entries, list) else 0)


def problems(sound: ValidFields) -> Iterator[Problem]:
    """Yield what is wrong between the fields of a config."""
    yield from _jump_problems(sound, ("Borg", "Server"))
    yield from _namesakes(sound, "target", "Servers")
    for number in sound.numbers("Servers"):
        yield from _jump_problems(sound, ("Servers", number, "Connection"))
        yield from _namesakes(sound, "stream", "Servers", number, "Streams")
        yield from _patience_problems(sound, number)
    yield from _socket_problems(sound)
    yield from repository_problems(sound)


def _patience_problems(sound: ValidFields, number: int) -> Iterator[Problem]:
    """A borg that waits for a lock moves no byte: it must not be taken for one that hangs."""
    place = ("Servers", number, "LockWait")
    waits, stalls = sound.text(*place), sound.text("Servers", number, "StallTimeout")
    limit = units.seconds(stalls) if stalls else Options().stall_timeout
    if waits and units.seconds(waits) >= limit:
        yield Problem(place, "is not shorter than StallTimeout: shorten it, or raise StallTimeout")


def _jump_problems(sound: ValidFields, place: Place) -> Iterator[Problem]:
    given = [key for key in _PROXY_JUMP if at(sound.tree, (*place, key))]
    if "ProxyJumpHost" in given and "ProxyJumpKnownHost" not in given:
        words = "is missing: add what `ssh-keyscan` prints for ProxyJumpHost"
        yield Problem((*place, "ProxyJumpKnownHost"), words)
    if given and "ProxyJumpHost" not in given:
        yield Problem((*place, "ProxyJumpHost"), f"is missing: add it, or remove {given[0]}")
    if given and at(sound.tree, (*place, "Jumps")):
        yield Problem((*place, "Jumps"), f"stands beside {given[0]}: write that host as one of the Jumps")


def _socket_problems(sound: ValidFields) -> Iterator[Problem]:
    places: tuple[Place, ...] = (
        ("Borg", "Server", "AppendSocket"),
        ("Borg", "Server", "FullSocket"),
        ("Borg", "StateDir"),
    )
    missing = [place for place in places if not at(sound.tree, place)]
    if 0 < len(missing) < len(places):
        words = "is missing: AppendSocket, FullSocket and StateDir work together alone; write all three, or none"
        yield Problem(missing[0], words)
    append, full = (sound.text(*place) for place in places[:2])
    if append and append == full:
        yield Problem(places[1], "is the same socket as AppendSocket: a target would have full access through it")
    for place in places[:2]:
        for number in sound.numbers("Servers"):
            socket, sub_dir = sound.text(*place), sound.text("Servers", number, "BorgTarget", "SubDir")
            if socket and sub_dir and len(socket_of(socket, sub_dir).encode()) > _LONGEST_SOCKET:
                words = f"makes a path longer than {_LONGEST_SOCKET} bytes of {place[-1]}: shorten one of them"
                yield Problem(("Servers", number, "BorgTarget", "SubDir"), words)


def _namesakes(sound: ValidFields, each: str, *entries: str | int) -> Iterator[Problem]:
    """Yield which entries of a list have the name of an earlier one."""
    first: dict[str, int] = {}
    for number in sound.numbers(*entries):
        place = (*entries, number, "Name")
        name = sound.text(*place)
        other = number if name is None else first.setdefault(unicodedata.normalize("NFC", name.strip()), number)
        if other != number:
            yield Problem(place, f"is the name of {entries[-1]}[{other}] too: give each {each} a name of its own")


def repository_problems(sound: ValidFields) -> Iterator[Problem]:
    """Yield which repositories are in each other's way."""
    paths = {number: path for number in sound.numbers("Servers") if (path := _repository(sound, number))}
    first: dict[str, int] = {}
    for number, path in paths.items():
        first.setdefault(path, number)
    for number, path in paths.items():
        place = ("Servers", number, "BorgTarget", "SubDir")
        if first[path] != number:
            other = named(("Servers", first[path]), sound.tree)
            yield Problem(place, f"is the repository of {other} too: give each target a folder of its own")
        for outer in (first[folder] for folder in _folders_above(path) if folder in first):
            other = named(("Servers", outer), sound.tree)
            yield Problem(place, f"lies inside the repository of {other}: move it beside that one")
        if _borg_sees_a_home(sound, number):
            yield Problem(place, "makes borg read a home folder where the path begins with `~`: choose another one")


def _repository(sound: ValidFields, number: int) -> str | None:
    sub_dir = sound.text("Servers", number, "BorgTarget", "SubDir")
    return sub_dir and repository_path(sound.text("Borg", "RootDir") or "/", sub_dir)


def _folders_above(path: str) -> Iterator[str]:
    while (path := posixpath.dirname(path)) != "/":
        yield path


def _borg_sees_a_home(sound: ValidFields, number: int) -> bool:
    # borg serve 1.2.4 and 1.4.5 expands a path that begins with exactly one slash and `~`.
    root_dir, sub_dir = sound.text("Borg", "RootDir"), sound.text("Servers", number, "BorgTarget", "SubDir")
    return bool(root_dir and sub_dir) and posixpath.normpath(f"/{root_dir}/{sub_dir}").startswith("/~")
