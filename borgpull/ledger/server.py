"""The ledger and the snapshot in ROOT/.borgpull/SUB on the backup server, which no `borg serve` of a target can reach.

What changes anything runs in the lasting session that holds the lock; what only reads may do without.
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import hashlib
import io
import json
import posixpath
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from .. import process, ssh
from ..borg.failure import missing_borg, system_of_server
from ..borg.version import read_version
from ..config import Config, Target
from ..errors import BACKUP_SERVER, Failure
from ..guard import Evidence
from ..guard.hints import HEAD
from . import scripts_lock, scripts_read, scripts_write
from .history import MOST_KEPT, MOST_READ, Entry, read_history
from .lasting_session import LastingSession, lasting_session
from .record import MOST_LEDGER, Ledger
from .scripts_read import lines_of, names_in_grace, number_of, read_found, read_segments, read_space, read_status
from .store import Found, RepositoryStatus, Store, Written

FOLDER = ".borgpull"
# No SubDir begins with this.
IDS = f"{FOLDER}/ids"
GRACE = "grace"
HOSTS = "hosts"
# A ledger, the names of the segments, and hints, which are cut off there; of those there are two at most.
MOST_EVIDENCE = MOST_LEDGER + 4 * HEAD
_SECONDS = 300.0
# Of so many targets the histories are asked for at a time.
_HISTORIES = 500
# What an earlier rollback left is removed first, which may be terabytes.
_RESTORE_SECONDS = 3600.0
_SHORT_SECONDS = 10.0
_SURVEY_SECONDS = 120.0
# How long a `borg serve` whose client has gone may take to commit or drop what it holds.
SERVE_PATIENCE = 60
_R = TypeVar("_R")


@dataclass(frozen=True)
class Place:
    """Where a repository and its ledger lie, and the folder with a file for each repository id below its RootDir."""

    repository: str
    ledger: str
    ids: str

    @property
    def reserve(self) -> str:
        """Return the file that is removed where the disk is full."""
        return posixpath.join(posixpath.dirname(self.ids), "reserve")


def place_of(config: Config, target: Target) -> Place:
    """Return the place of a target's repository."""
    repository = config.repository_path(target)
    root = "/" + posixpath.normpath(config.root_dir).strip("/")
    below = repository.removeprefix(root).lstrip("/")
    return Place(repository, posixpath.join(root, FOLDER, below), posixpath.join(root, FOLDER, IDS))


async def check_root(master: ssh.Master, config: Config) -> bool:
    """Tell whether there ever was a ledger below RootDir. Raises Failure when it is no mount point but must be."""
    must = "yes" if config.root_dir_must_be_mount else ""
    with _system_named():
        words = (config.root_dir, must)
        answer = await ssh.ask(master, scripts_read.ROOT, *words, doing="look at RootDir", seconds=_SECONDS)
    if "unmounted" in answer.parts:
        raise Failure(
            BACKUP_SERVER,
            f"RootDir ({config.root_dir}) is no mount point, and RootDirMustBeMount is set",
            hint="mount the disk of the repositories there; nothing was written",
        )
    return answer.text("ledgers") != "nothing"


async def histories_of(master: ssh.Master, config: Config, targets: Sequence[Target]) -> dict[str, tuple[Entry, ...]]:
    """Return the newest entries of the history of each target, by its name. Raises Failure."""
    ask = functools.partial(ssh.ask, doing="look when they were backed up last", seconds=_SECONDS, most=MOST_EVIDENCE)
    found: dict[str, tuple[Entry, ...]] = {}
    for first in range(0, len(targets), _HISTORIES):
        some = targets[first : first + _HISTORIES]
        ledgers = "".join(f"{place_of(config, target).ledger}\n" for target in some)
        with _system_named():
            text = ledgers.encode("utf-8", "surrogateescape")
            answer = await ask(master, scripts_read.HISTORIES, str(MOST_READ), stdin=text)
        parts = {name: read_history(part.data) for name, part in answer.parts.items()}
        found |= {target.name: parts.get(f"history.{number}", ()) for number, target in enumerate(some)}
    return found


def place_in_grace(place: Place, name: str) -> Place:
    """Return the place of a state that is kept in Grace: its repository and its ledger lie in one folder."""
    folder = posixpath.join(place.ledger, GRACE, name)
    return Place(folder, folder, place.ids)


class ServerStore(Store):
    """The ledger of one repository on the backup server, over the connection `master`."""

    shows_records: ClassVar[bool] = True

    def __init__(self, master: ssh.Master, place: Place) -> None:
        self.place = place
        self._master = master
        self._session: LastingSession | None = None

    @property
    def registry(self) -> LastingSession | None:
        return self._session

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the lock. Raises AtWork, naming the holder, when another run is at work."""
        with _system_named():
            async with lasting_session(self._master, self.place.ledger, self.place.reserve) as session:
                self._session = session
                try:
                    yield
                finally:
                    self._session = None

    async def await_serve(self) -> None:
        """Wait until no `borg serve` of this run is at work; after SERVE_PATIENCE it is killed.

        Raises Failure when even that does not end it.
        """
        if self._session is not None:
            script = f'{scripts_lock.AWAIT_SERVE}await_serve "$1" || :\n'
            self._refuse_serving(await self._ask(script, str(SERVE_PATIENCE), doing="wait for borg serve"))

    async def serve_state(self) -> str:
        if self._session is None:
            return ""
        try:
            answer = await self._ask(scripts_lock.SERVE_STATE, doing="look at borg serve", seconds=_SHORT_SECONDS)
        except Failure:
            return ""
        return answer.text("state")

    async def read_evidence(self) -> Found:
        """Read, once no `borg serve` of this run is at work there any more."""
        doing, script = "look at the repository", scripts_read.LOOK
        if self._session is not None:
            script = f'{scripts_lock.AWAIT_SERVE}await_serve "$5" || exit 0\n{script}'
        words = (self.place.repository, self.place.ledger, str(HEAD), self.place.ids, str(SERVE_PATIENCE))
        answer = await self._ask(script, *words, doing=doing, most=MOST_EVIDENCE)
        self._refuse_serving(answer)
        return self._read(read_found, answer, doing)

    async def write(self, ledger: Ledger, *, snapshot: str = "keep", grace: str = "", oldest: str = "") -> Written:
        answer = await self._ask(
            scripts_write.WRITE,
            self.place.repository,
            self.place.ledger,
            snapshot,
            self.place.ids,
            ledger.evidence.repository_id,
            grace,
            oldest,
            str(ledger.evidence.transaction),
            str(ledger.evidence.beyond),
            stdin=ledger.dump(),
            doing="write the ledger",
        )
        kilobytes = number_of(answer.text("kilobytes").split(" ")[0])
        return Written(
            has_hard_links="links" not in answer.parts,
            size=(kilobytes or 0) * 1024,
            clock=float(number_of(answer.text("clock")) or 0),
            space=read_space(answer),
        )

    async def give_up(self) -> None:
        await self._ask(scripts_write.GIVE_UP, self.place.ledger, doing="put the ledger aside")

    async def set_aside(self) -> str:
        answer = await self._ask(
            scripts_write.SET_ASIDE, self.place.repository, self.place.ledger, doing="set a half-made repository aside"
        )
        if other := answer.text("other"):
            raise Failure(
                BACKUP_SERVER,
                f"what lies at the path of a repository is neither a repository nor half of a new one: it has {other}",
                hint=f"nothing was changed: move {self.place.repository} away, or choose another SubDir",
            )
        return answer.text("aside")

    async def read_status(self) -> RepositoryStatus:
        place = (self.place.repository, self.place.ledger, str(MOST_READ))
        doing = "look at the ledger"
        answer = await self._ask(scripts_read.SURVEY, *place, doing=doing, seconds=_SURVEY_SECONDS, most=MOST_EVIDENCE)
        return self._read(read_status, answer, doing)

    async def remember(self, entry: Entry) -> None:
        words = (self.place.ledger, entry.file, str(MOST_KEPT))
        await self._ask(scripts_write.REMEMBER, *words, stdin=entry.dump(), doing="write the history")

    def at(self, place: Place) -> ServerStore:
        """Return the store of another place, within the session of this one."""
        other = ServerStore(self._master, place)
        other._session = self._session
        return other

    async def left_behind(self, config: Config, name: str = "") -> tuple[str, ...]:
        ask = functools.partial(self._ask, doing="look for other ledgers", most=MOST_EVIDENCE)
        below = posixpath.join(self.place.ledger.partition(f"/{FOLDER}/")[0], FOLDER)
        lines = lines_of(await ask(scripts_read.PLACES, self.place.ids), "places")
        # RootDir may have been moved since.
        ever = {posixpath.join(below, place) for line in lines if (place := line.partition(f"/{FOLDER}/")[2])}
        places = sorted(ever - {place_of(config, target).ledger for target in config.targets})
        text = "".join(f"{place}\n" for place in places).encode("utf-8", "surrogateescape")
        # However it writes JSON.
        needles = [f'"target":{json.dumps(name, ensure_ascii=each)}' if name else "" for each in (True, False)]
        return tuple(lines_of(await ask(scripts_read.LEDGERS, *needles, stdin=text), "ledgers")) if places else ()

    async def check_anew(self) -> None:
        await self._ask(scripts_write.CHECK_ANEW, self.place.repository, doing="begin the check anew")

    async def move(self, repository_id: str, *, to: str) -> None:
        hosts, was = self._hosts, tag(await self.known_place(repository_id))
        words = (self.place.ledger, to, self.place.ids, repository_id, hosts, was, tag(to))
        await self._ask(scripts_write.MOVE, *words, doing="move the ledger")

    @property
    def _hosts(self) -> str:
        return posixpath.join(posixpath.dirname(self.place.ids), HOSTS)

    async def require_borg(self, borg: str) -> None:
        answer = await self._ask(scripts_read.VERSION, borg, doing="ask borg for its version")
        if "missing" in answer.parts:
            raise missing_borg(BACKUP_SERVER, borg)
        read_version(BACKUP_SERVER, answer.text("version"))

    async def known_place(self, repository_id: str) -> str:
        answer = await self._ask(scripts_write.FIND_ID, self.place.ids, repository_id, doing="look for its ledger")
        place = answer["place"]
        return (answer.text("place") or self.place.ids) if place.there else ""

    async def host_keys(self, keys: Collection[str], *, record: bool) -> frozenset[str]:
        words = (self._hosts, tag(self.place.ledger), self.place.ledger if record else "", *keys)
        answer = await self._ask(scripts_write.HOST_KEYS, *words, doing="look for host keys of other targets")
        return frozenset(key for key in keys if f"other.{key}" in answer.parts)

    async def grace(self, *, drop: bool = False) -> tuple[str, ...]:
        """Return the names of the states that are kept, the oldest first; `drop` removes them then."""
        words = (self.place.ledger, "drop" if drop else "")
        answer = await self._ask(scripts_write.GRACE, *words, doing="look at Grace", seconds=_RESTORE_SECONDS)
        return names_in_grace(answer)

    async def segments(self, wanted: Collection[int]) -> tuple[set[int], bool]:
        """Return which of the segments `wanted` a rollback can use, and whether they lie in a snapshot."""
        place = (self.place.repository, self.place.ledger)
        answer = await self._ask(scripts_read.SEGMENTS, *place, doing="look for its segments", most=MOST_EVIDENCE)
        return read_segments(answer, wanted)

    async def restore(self, evidence: Evidence, *, linked: bool, kept: bool, rebuild: bool) -> None:
        """Put the snapshot back in the repository's place; without one remove what came after the evidence.

        The snapshot stays until the ledger is written with snapshot="drop". `kept` says that the state found is in
        Grace: else it stays beside the ledger. With `rebuild` borg's own records are not put back: it makes them anew.
        """
        await self._ask(
            scripts_write.RESTORE_LINKED if linked else scripts_write.RESTORE_UNLINKED,
            self.place.repository,
            self.place.ledger,
            str(evidence.transaction),
            "kept" if kept else "",
            "" if evidence.nonce is None else f"{evidence.nonce:016x}",
            _commit_of(evidence),
            "rebuild" if rebuild else "",
            stdin=b"" if linked else config_text(evidence),
            doing="put the snapshot back",
            seconds=_RESTORE_SECONDS,
        )

    async def _ask(
        self,
        script: str,
        *arguments: str,
        doing: str,
        seconds: float = _SECONDS,
        stdin: bytes = b"",
        most: int = process.MOST_OUTPUT,
    ) -> ssh.Answer:
        ask = self._session.ask if self._session is not None else functools.partial(ssh.ask, self._master)
        with _system_named():
            return await ask(script, *arguments, doing=doing, seconds=seconds, stdin=stdin, most=most)

    def _refuse_serving(self, answer: ssh.Answer) -> None:
        if pid := answer.text("serving"):
            raise Failure(
                self._master.party,
                f"could not end a borg serve of an earlier session (pid {pid})",
                hint="it waits for a disk that does not answer: check the disks of the backup server",
            )

    def _read(self, reader: Callable[[ssh.Answer], _R], answer: ssh.Answer, doing: str) -> _R:
        if refused := scripts_read.refused_file(answer, self.place.repository):
            raise refused
        try:
            return reader(answer)
        except ssh.Incomplete as error:
            raise ssh.cut_off(self._master.party, doing, str(error), answer.errors) from None


def tag(ledger: str) -> str:
    """Return the folder of a ledger as it is written in the name of a file."""
    return hashlib.sha256(ledger.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _commit_of(evidence: Evidence) -> str:
    """Return the place of the segment of the last commit, "" where it holds more than that."""
    per_folder = number_of(dict(evidence.settings).get("segments_per_dir", ""))
    last = evidence.transaction
    return "" if not per_folder or evidence.live.get(last) else f"data/{last // per_folder}/{last}"


def config_text(evidence: Evidence) -> bytes:
    """Return the `config` of a repository as the evidence has it."""
    parser = configparser.ConfigParser(interpolation=None)
    parser["repository"] = dict(evidence.settings) | {"id": evidence.repository_id, "key": evidence.key}
    text = io.StringIO()
    parser.write(text)
    return text.getvalue().encode()


@contextlib.contextmanager
def _system_named() -> Iterator[None]:
    """Name an error of the backup server's system where it is known: waiting does not help then."""
    try:
        yield
    except ssh.ScriptFailed as failed:
        if known := system_of_server(failed.said):
            cause, hint = known
            said = f"{cause}: could not {failed.doing}: {failed.said}"
            raise Failure(failed.party, said, hint=hint, detail=failed.detail) from None
        raise
