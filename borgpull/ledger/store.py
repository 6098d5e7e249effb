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
import secrets
import socket
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from .. import ssh
from ..borg.failure import system_of_server
from ..borg.hints import HEAD, MOST_SEGMENTS
from ..config import Config, Target
from ..errors import Failure
from ..guard import Evidence, Unreadable
from ..hostile import clean
from . import scripts
from .record import Ledger, read

FOLDER = ".borgpull"
# Of ten thousand segments the evidence is about 100 kB. Hints are cut off on B, and there are two at the most.
MOST_EVIDENCE = 4 * HEAD
SECONDS = 300.0
_SEGMENT = re.compile(rb"(?<!\S)[0-9]{1,17}(?!\S)")
_MOST_FACTS = 4
# How long a second run waits for the first one.
LOCK_PATIENCE = 60
_SHORT_SECONDS = 10.0
# Two attempts of one process at one repository never overlap.
_RUN = f"run {secrets.token_hex(4)}"
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
    repository = config.repository_path(target)
    root = "/" + posixpath.normpath(config.root_dir).strip("/")
    below = repository.removeprefix(root).lstrip("/")
    return Place(repository, posixpath.join(root, FOLDER, below))


@dataclass(frozen=True)
class Found:
    """What lies there now. `tar` holds `config`, `nonce` and `hints.*` of the repository, empty without one.

    `numbers` names the files in its `data`; `unreadable` says why there is a ledger that cannot be read.
    """

    repository: bool
    snapshot: bool
    ledger: Ledger | None
    unreadable: str
    tar: bytes
    numbers: bytes

    @property
    def segments(self) -> frozenset[int]:
        """Return the numbers of the files in its `data`. Raises Unreadable when Borg cannot have made so many."""
        if self.numbers.count(b" ") >= MOST_SEGMENTS:
            raise Unreadable("there are more segment files than Borg makes")
        return frozenset(int(number) for number in _SEGMENT.findall(self.numbers))


@contextlib.asynccontextmanager
async def held(master: ssh.Master, place: Place) -> AsyncIterator[None]:
    """Keep every other run, of this controller or another one, away from the repository and its ledger.

    A run whose connection to B is gone holds nothing any more. Raises Failure, naming the holder, when another run
    does not end in time.
    """
    who = (
        f"{socket.gethostname()}, pid {os.getpid()}, {_RUN}, since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
    )
    done = await ssh.execute(
        master, scripts.LOCK, place.ledger, who, str(LOCK_PATIENCE), _RUN, seconds=LOCK_PATIENCE + SECONDS
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
    _refuse_serving(master.party, done.stdout)


def _refuse_serving(party: str, said: bytes) -> None:
    if said.startswith(b"serving"):
        pid = clean(said.partition(b"\n")[0].removeprefix(b"serving "))
        raise Failure(
            party,
            f"a borg serve of an earlier session cannot be ended (pid {pid})",
            hint="it waits for a disk that does not answer: look at the disks of B",
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
    return read_found(master.party, done.stdout)


def read_found(party: str, output: bytes) -> Found:
    """Read what the script LOOK printed. Raises Failure when a `borg serve` could not be ended."""
    _refuse_serving(party, output)
    head, _, body = output.partition(b"\n\n") if output[:1] != b"\n" else (b"", b"", output[1:])
    facts = dict(line.partition(b" ")[::2] for line in head.split(b"\n", _MOST_FACTS)[:_MOST_FACTS])
    # Some `wc` put spaces before the number.
    length = re.fullmatch(rb" *([0-9]{1,9})", facts.get(b"ledger", b""))
    size = int(length[1]) if length else 0
    known, damage = read(body[:size]) if b"ledger" in facts else (None, "")
    return Found(
        repository=b"repository" in facts,
        snapshot=b"snapshot" in facts,
        ledger=known,
        unreadable=damage,
        tar=body[size:],
        numbers=facts.get(b"segments", b""),
    )


async def serve_state(master: ssh.Master, place: Place) -> str:
    """Return the state of T's `borg serve` as /proc names it ("T" is stopped, "D" waits for a disk), "" if unknown."""
    try:
        done = await ssh.execute(master, scripts.SERVE_STATE, place.ledger, seconds=_SHORT_SECONDS)
    except Failure:
        return ""
    return done.stdout.decode("ascii", "replace").strip()


@dataclass(frozen=True)
class Written:
    """What was seen on B while the ledger was written: whether hard links can be made, and the repository's bytes.

    Both are seen when a snapshot is made, and only then.
    """

    linked: bool
    taken: int


async def write(master: ssh.Master, place: Place, ledger: Ledger, *, snapshot: str = "keep") -> Written:
    """Store the ledger; `snapshot` is "make" (before the ledger is replaced), "keep" or "drop" (after it).

    Raises Failure.
    """
    done = await ssh.execute(
        master, scripts.WRITE, place.repository, place.ledger, snapshot, stdin=ledger.dump(), seconds=SECONDS
    )
    said = done.stdout.split()
    if b"written" not in said:
        raise _could_not(master, "write the ledger", done.stderr)
    found = re.search(rb"^kilobytes ([0-9]{1,15})$", done.stdout, re.MULTILINE)
    return Written(b"no-links" not in said, int(found[1]) * 1024 if found else 0)


async def retire(master: ssh.Master, place: Place) -> None:
    """Put the ledger aside, as `ledger.retired.json`: nothing is known of the repository then. Raises Failure."""
    done = await ssh.execute(master, scripts.RETIRE, place.ledger, seconds=SECONDS)
    if b"retired" not in done.stdout.split():
        raise _could_not(master, "put the ledger aside", done.stderr)


async def segments(master: ssh.Master, place: Place, wanted: Collection[int]) -> tuple[set[int], bool]:
    """Return which of the segments `wanted` a rollback can use, and whether they lie in a snapshot."""
    done = await ssh.execute(
        master, scripts.SEGMENTS, place.repository, place.ledger, seconds=SECONDS, most=MOST_EVIDENCE
    )
    return read_segments(done.stdout, wanted)


def read_segments(output: bytes, wanted: Collection[int]) -> tuple[set[int], bool]:
    """Read what the script SEGMENTS printed; only what is wanted is kept, however many files there are."""
    there = {number for name in _SEGMENT.finditer(output) if (number := int(name[0])) in wanted}
    return there, output.startswith(b"linked\n")


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
