"""Looks for secrets where others can read: command lines and environments in a run, folders after it."""

import contextlib
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import Lab, processes

_PAUSE_SECONDS = 0.002


@dataclass
class Sightings:
    """What a watch saw: who showed a secret, which programs it looked at, and how often it looked at all."""

    leaks: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    looks: int = 0


def secrets_of(lab: Lab) -> list[bytes]:
    """Return the secrets in the config of `lab`: passphrases, and the telling lines of the private keys."""
    found = [target.passphrase.encode() for target in lab.targets]
    for host in (lab.server, *(target.host for target in lab.targets)):
        same_in_every_key = host.host_key.private.splitlines()
        lines = host.key.private.splitlines()
        found += [line.encode() for line in lines if len(line) >= 40 and line not in same_in_every_key]
    return found


@contextlib.contextmanager
def watching_for(secrets: Sequence[bytes]) -> Iterator[Sightings]:
    """Read every /proc/*/cmdline and environ over and over, in a thread, for as long as the context lasts."""
    seen = Sightings()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PAUSE_SECONDS):
            _look(secrets, seen)
            seen.looks += 1

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _look(secrets: Sequence[bytes], seen: Sightings) -> None:
    for pid in processes.pids():
        text = processes.traces(pid)
        words = text.split(b"\0", 2)
        seen.programs.update(Path(os.fsdecode(word)).name for word in words[:2])
        if any(secret in text for secret in secrets):
            seen.leaks.add(os.fsdecode(words[0]))


def found_on_disk(secrets: Sequence[bytes], folders: Iterable[Path]) -> list[Path]:
    """Return the files below `folders` whose content or name holds a secret."""
    found = []
    for folder in folders:
        for parent, _, names in os.walk(folder):
            places = [Path(parent, name) for name in names]
            found += [place for place in places if _holds(place, secrets)]
    return found


def _holds(place: Path, secrets: Sequence[bytes]) -> bool:
    with contextlib.suppress(FileNotFoundError):
        content = place.read_bytes() if stat.S_ISREG(place.lstat().st_mode) else b""
        return any(secret in content or secret in os.fsencode(place) for secret in secrets)
    return False
