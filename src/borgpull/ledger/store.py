"""The ledger and the snapshot on B, one exec for each look and each change.

Everything lies in a folder beside the repositories, `ROOT/.borgpull/SUB`, that no `borg serve` of T can reach.
"""

from __future__ import annotations

import configparser
import contextlib
import io
import os
import posixpath
import re
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from .. import ssh
from ..borg.failure import system_of_server
from ..borg.hints import HEAD
from ..config import Config, Target
from ..errors import Failure
from ..guard import Evidence, Unreadable
from ..hostile import clean
from . import scripts
from .record import Ledger, load

FOLDER = ".borgpull"
# Of ten thousand segments the evidence is about 100 kB. Hints are cut off on B, and there are two at the most.
MOST_EVIDENCE = 4 * HEAD
SECONDS = 300.0
_LONGEST = 18
# How long a second run waits for the first one.
LOCK_PATIENCE = 60
_SHORT_SECONDS = 10.0
# How long a `borg serve` whose client has gone may take to commit or drop what it holds.
SERVE_PATIENCE = 60


@dataclass(frozen=True)
class Place:
    """Where a repository and its ledger lie on B."""

    repository: str
    ledger: str

    @property
    def pid_file(self) -> str:
        """Return where the pid of T's `borg serve` is kept while it runs."""
        return f"{self.ledger}/serve.pid"


def place_of(config: Config, target: Target) -> Place:
    """Return the place of a target's repository."""
    repository = config.repository_path(target)
    root = "/" + posixpath.normpath(config.root_dir).strip("/")
    below = repository.removeprefix(root).lstrip("/")
    return Place(repository, posixpath.join(root, FOLDER, below))


@dataclass(frozen=True)
class Found:
    """What lies there now. `tar` holds `config`, `nonce` and `hints.*` of the repository, empty without one.

    `segments` are the numbers of the files in its `data`; `unreadable` says why there is a ledger that cannot be read.
    """

    repository: bool
    snapshot: bool
    ledger: Ledger | None
    unreadable: str
    tar: bytes
    segments: frozenset[int]


@contextlib.asynccontextmanager
async def held(master: ssh.Master, place: Place) -> AsyncIterator[None]:
    """Keep every other run, of this controller or another one, away from the repository and its ledger.

    A run whose connection to B is gone holds nothing any more. Raises Failure, naming the holder, when another run
    does not end in time.
    """
    who = f"{socket.gethostname()}, pid {os.getpid()}, since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
    done = await ssh.execute(
        master, scripts.LOCK, place.ledger, who, str(LOCK_PATIENCE), seconds=LOCK_PATIENCE + SECONDS
    )
    if done.stdout.startswith(b"held"):
        raise Failure(
            master.party,
            f"another run of borgpull is at work on this repository: {clean(done.stdout[4:])}",
            hint="wait until it has ended; nothing was changed",
            transient=True,
        )
    if done.stdout.split() != [b"taken"]:
        raise _could_not(master, "lock the ledger", done.stderr)
    try:
        yield
    finally:
        # Without a connection, or when hurried, the lock goes with the connection.
        with contextlib.suppress(Failure):
            await ssh.execute(master, scripts.UNLOCK, place.ledger, seconds=_SHORT_SECONDS)


async def await_serve(master: ssh.Master, place: Place) -> None:
    """Wait until no `borg serve` of T's is at work; after SERVE_PATIENCE it is killed.

    Raises Failure when even that does not end it.
    """
    arguments = (place.repository, place.ledger, str(SERVE_PATIENCE))
    done = await ssh.execute(master, scripts.AWAIT_SERVE, *arguments, seconds=SECONDS)
    _refuse_serving(master, done.stdout)


def _refuse_serving(master: ssh.Master, said: bytes) -> None:
    if said.startswith(b"serving"):
        raise Failure(
            master.party,
            f"a borg serve of an earlier session cannot be ended (pid {clean(said.split(maxsplit=2)[1])})",
            hint="it waits for a disk that does not answer: look at the disks of B",
            transient=True,
        )


async def look(master: ssh.Master, place: Place) -> Found:
    """Look at a repository and its ledger, once no `borg serve` of T's is at work there any more."""
    done = await ssh.execute(
        master,
        scripts.LOOK,
        place.repository,
        place.ledger,
        str(SERVE_PATIENCE),
        str(HEAD),
        seconds=SECONDS,
        most=MOST_EVIDENCE,
    )
    _refuse_serving(master, done.stdout)
    head, _, body = done.stdout.partition(b"\n\n") if done.stdout[:1] != b"\n" else (b"", b"", done.stdout[1:])
    facts = dict(line.partition(" ")[::2] for line in head.decode("ascii", "replace").splitlines())
    size = int(facts["ledger"]) if facts.get("ledger", "").isdigit() else 0
    known, damage = _ledger(body[:size]) if "ledger" in facts else (None, "")
    return Found(
        repository="repository" in facts,
        snapshot="snapshot" in facts,
        ledger=known,
        unreadable=damage,
        tar=body[size:],
        segments=frozenset(int(number) for number in facts.get("segments", "").split() if len(number) < _LONGEST),
    )


async def serve_state(master: ssh.Master, place: Place) -> str:
    """Return the state of T's `borg serve` as /proc names it ("T" is stopped, "D" waits for a disk), "" if unknown."""
    try:
        done = await ssh.execute(master, scripts.SERVE_STATE, place.ledger, seconds=_SHORT_SECONDS)
    except Failure:
        return ""
    return done.stdout.decode("ascii", "replace").strip()


def _ledger(text: bytes) -> tuple[Ledger | None, str]:
    try:
        return load(text), ""
    except Unreadable as error:
        return None, str(error)


async def write(master: ssh.Master, place: Place, ledger: Ledger, *, snapshot: str = "keep") -> bool:
    """Store the ledger; `snapshot` is "make" (before the ledger is replaced), "keep" or "drop" (after it).

    Returns whether B's file system has hard links, as far as was seen. Raises Failure.
    """
    done = await ssh.execute(
        master, scripts.WRITE, place.repository, place.ledger, snapshot, stdin=ledger.dump(), seconds=SECONDS
    )
    said = done.stdout.split()
    if b"written" not in said:
        raise _could_not(master, "write the ledger", done.stderr)
    return b"no-links" not in said


async def retire(master: ssh.Master, place: Place) -> None:
    """Put the ledger aside, as `ledger.retired.json`: nothing is known of the repository then. Raises Failure."""
    done = await ssh.execute(master, scripts.RETIRE, place.ledger, seconds=SECONDS)
    if b"retired" not in done.stdout.split():
        raise _could_not(master, "put the ledger aside", done.stderr)


async def segments(master: ssh.Master, place: Place) -> tuple[set[int], bool]:
    """Return the numbers of the segments that a rollback can use, and whether they lie in a snapshot."""
    done = await ssh.execute(
        master, scripts.SEGMENTS, place.repository, place.ledger, seconds=SECONDS, most=MOST_EVIDENCE
    )
    kind, *names = done.stdout.decode("ascii", "replace").split("\n")
    return {int(name) for name in names if re.fullmatch(r"[0-9]{1,18}", name)}, kind == "linked"


async def restore(master: ssh.Master, place: Place, evidence: Evidence, *, linked: bool) -> None:
    """Put the snapshot back in the repository's place; without one remove what came after the evidence.

    Raises Failure; the snapshot stays until the ledger is written with snapshot="drop".
    """
    script = scripts.RESTORE_LINKED if linked else scripts.RESTORE_UNLINKED
    done = await ssh.execute(
        master,
        script,
        place.repository,
        place.ledger,
        str(evidence.transaction),
        stdin=b"" if linked else _config(evidence),
        seconds=SECONDS,
    )
    if b"restored" not in done.stdout.split():
        raise _could_not(master, "put the snapshot back", done.stderr)


def _config(evidence: Evidence) -> bytes:
    parser = configparser.ConfigParser(interpolation=None)
    parser["repository"] = dict(evidence.settings) | {"id": evidence.repository_id, "key": evidence.key}
    text = io.StringIO()
    parser.write(text)
    return text.getvalue().encode()


def _could_not(master: ssh.Master, what: str, stderr: bytes) -> Failure:
    said = clean(stderr)
    known = system_of_server(said)
    if known is None:
        return Failure(master.party, f"could not {what}: {said}", hint="check who owns RootDir on B, and its rights")
    cause, hint = known
    return Failure(master.party, f"{cause}: could not {what}: {said}", hint=hint)
