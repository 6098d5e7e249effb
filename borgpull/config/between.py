"""What no single field can tell: targets in each other's way, keys and known hosts that do not fit.

It judges only fields that are right by themselves, so that one mistake is told once.
"""

from __future__ import annotations

import functools
import posixpath
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import address, amounts, keytext
from .problem import Place, Problem, at, named
from .settings import Options, repository_path, socket_of

_PROXY_JUMP = ("ProxyJumpHost", "ProxyJumpKnownHost", "ProxyJumpUsername", "ProxyJumpPrivateKey")
# sun_path has 108 bytes, the last of them a zero.
_LONGEST_SOCKET = 107

CheckKey = Callable[[str], str | None]
CheckKnownHost = Callable[[str, int, str], str | None]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """The fields of a config that are right by themselves: those of `tree` that are not `broken`."""

    tree: dict[str, Any]
    broken: frozenset[Place] = field(default_factory=frozenset)

    def text(self, *place: str | int) -> str | None:
        """Return the text at a place; None when it is missing, of another type, or broken."""
        found = at(self.tree, place)
        return found if isinstance(found, str) and place not in self.broken else None

    @property
    def targets(self) -> range:
        """Return the numbers of the targets."""
        servers = at(self.tree, ("Servers",))
        return range(len(servers) if isinstance(servers, list) else 0)


@dataclass(frozen=True)
class _HostKeys:
    """Where the keys of one host stand: in the table at `table`, their names after `prefix`."""

    table: Place
    prefix: str = ""

    def key(self, name: str) -> Place:
        return (*self.table, f"{self.prefix}{name}")


def problems(sound: Sound, *, check_key: CheckKey, check_known_host: CheckKnownHost) -> Iterator[Problem]:
    """Yield what is wrong between the fields of a config. The checks are asked once a distinct value."""
    key_problem = functools.cache(check_key)
    known_host_problem = functools.cache(check_known_host)
    places: list[Place] = [("Borg", "Server"), *(("Servers", number, "Connection") for number in sound.targets)]
    for place in places:
        yield from _jump_problems(sound, place)
        for host in _hosts(sound, place):
            yield from _key_problems(sound, host, key_problem)
            yield from _known_host_problems(sound, host, known_host_problem)
    yield from _patience_problems(sound)
    yield from _socket_problems(sound)
    yield from _name_problems(sound)
    yield from _stream_problems(sound)
    yield from repository_problems(sound)


def _patience_problems(sound: Sound) -> Iterator[Problem]:
    """A borg that waits for a lock moves no byte: it must not be taken for one that hangs."""
    for number in sound.targets:
        places: list[Place] = [("Servers", number), ("Borg", "Defaults")]
        waits = next((place for place in places if sound.text(*place, "LockWait")), None)
        stalls = next((text for place in places if (text := sound.text(*place, "StallTimeout"))), "")
        limit = amounts.seconds(stalls) if stalls else Options.stall_timeout
        if waits and amounts.seconds(sound.text(*waits, "LockWait") or "") >= limit:
            yield Problem((*waits, "LockWait"), "is not shorter than StallTimeout: shorten it, or raise StallTimeout")
            if waits == places[1]:
                return


def _jump_problems(sound: Sound, place: Place) -> Iterator[Problem]:
    given = [key for key in _PROXY_JUMP if at(sound.tree, (*place, key))]
    if "ProxyJumpHost" in given and "ProxyJumpKnownHost" not in given:
        words = "is missing: add what `ssh-keyscan` prints for ProxyJumpHost"
        yield Problem((*place, "ProxyJumpKnownHost"), words)
    if given and "ProxyJumpHost" not in given:
        yield Problem((*place, "ProxyJumpHost"), f"is missing: add it, or remove {given[0]}")
    if given and at(sound.tree, (*place, "Jumps")):
        yield Problem((*place, "Jumps"), f"stands beside {given[0]}: write that host as one of the Jumps")


def _hosts(sound: Sound, place: Place) -> Iterator[_HostKeys]:
    """Yield the places of the keys of each host that a connection reaches, those on its way too."""
    yield _HostKeys(place)
    yield _HostKeys(place, "ProxyJump")
    jumps = at(sound.tree, (*place, "Jumps"))
    for number in range(len(jumps) if isinstance(jumps, list) else 0):
        yield _HostKeys((*place, "Jumps", number))


def _key_problems(sound: Sound, host: _HostKeys, check: CheckKey) -> Iterator[Problem]:
    key = sound.text(*host.key("PrivateKey"))
    if key is not None and (words := check(keytext.private_key(key))):
        yield Problem(host.key("PrivateKey"), words)


def _known_host_problems(sound: Sound, keys: _HostKeys, check: CheckKnownHost) -> Iterator[Problem]:
    text, known_host = sound.text(*keys.key("Host")), sound.text(*keys.key("KnownHost"))
    if text and known_host:
        host = address.host(text)
        if words := check(host.name, host.port, keytext.known_hosts(known_host, port=host.port)):
            yield Problem(keys.key("KnownHost"), words)


def _socket_problems(sound: Sound) -> Iterator[Problem]:
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
        for number in sound.targets:
            socket, sub_dir = sound.text(*place), sound.text("Servers", number, "BorgTarget", "SubDir")
            if socket and sub_dir and len(socket_of(socket, sub_dir).encode()) > _LONGEST_SOCKET:
                words = f"makes a path longer than {_LONGEST_SOCKET} bytes of {place[-1]}: shorten one of them"
                yield Problem(("Servers", number, "BorgTarget", "SubDir"), words)


def _name_problems(sound: Sound) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number in sound.targets:
        name = sound.text("Servers", number, "Name")
        if name is None:
            continue
        other = first.setdefault(unicodedata.normalize("NFC", name.strip()), number)
        if other != number:
            words = f"is the name of Servers[{other}] too: give each target a name of its own"
            yield Problem(("Servers", number, "Name"), words)


def _stream_problems(sound: Sound) -> Iterator[Problem]:
    """Yield which streams would share their archives."""
    for number in sound.targets:
        streams = at(sound.tree, ("Servers", number, "Streams"))
        first: dict[str, int] = {}
        for place in range(len(streams) if isinstance(streams, list) else 0):
            name = sound.text("Servers", number, "Streams", place, "Name")
            if name is not None and first.setdefault(name, place) != place:
                words = f"is the name of Streams[{first[name]}] too: give each stream a name of its own"
                yield Problem(("Servers", number, "Streams", place, "Name"), words)


def repository_problems(sound: Sound) -> Iterator[Problem]:
    """Yield which repositories are in each other's way."""
    paths = {number: path for number in sound.targets if (path := _repository(sound, number))}
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


def _repository(sound: Sound, number: int) -> str | None:
    sub_dir = sound.text("Servers", number, "BorgTarget", "SubDir")
    return sub_dir and repository_path(sound.text("Borg", "RootDir") or "/", sub_dir)


def _folders_above(path: str) -> Iterator[str]:
    while (path := posixpath.dirname(path)) != "/":
        yield path


def _borg_sees_a_home(sound: Sound, number: int) -> bool:
    # borg serve 1.2.4 and 1.4.5 expands a path that begins with exactly one slash and `~`.
    root_dir, sub_dir = sound.text("Borg", "RootDir"), sound.text("Servers", number, "BorgTarget", "SubDir")
    return bool(root_dir and sub_dir) and posixpath.normpath(f"/{root_dir}/{sub_dir}").startswith("/~")
