"""The ledger on the controller, where the backup server gives no shell: a folder for each repository below StateDir.

It is written whole or not at all, and locked for as long as a run is at work on its repository.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import fnmatch
import os
import shutil
import time
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import files, ssh
from ..config import Config, Target
from ..errors import CONTROLLER, AtWork, Failure
from ..guard import Unreadable
from ..untrusted import clean
from .history import MOST_KEPT, MOST_READ, Entry, read_history
from .lasting_session import LOCK_SECONDS
from .record import MOST_LEDGER, Ledger, NewerLedger, load, read
from .server import HOSTS, IDS, Place, ServerStore, place_of, tag
from .store import Found, RepositoryStatus, Store, Written

_HINT = "StateDir has to be a folder of its own on this machine, kept between runs, and writable for this user alone"
_LEDGER, _LOCK, _HISTORY, _GIVEN_UP = "ledger.json", "lock", "history", "given-up"
_LONGEST_HOLDER = 200


@dataclass(frozen=True)
class LocalStore(Store):
    """The ledger in `folder`; `ids` has a file for each repository id that ever had one below StateDir.

    The repository itself is not visible: only borg can say that it is there.
    """

    folder: Path
    ids: Path

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Take the lock of the folder, which goes with this process. Raises AtWork, naming the holder."""
        with _os_errors_as_failure("lock the ledger"):
            make_private(self.folder)
            descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace") as lock:
            await self._flock(lock.fileno())
            lock.truncate()
            lock.write(f"pid {os.getpid()}, since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}")
            lock.flush()
            yield

    async def _flock(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > deadline:
                raise AtWork(CONTROLLER, self._holder())
            await asyncio.sleep(0.5)

    def _holder(self) -> str:
        """Return who holds the lock now, "" for nobody."""
        try:
            with (self.folder / _LOCK).open(encoding="utf-8", errors="replace") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return clean((self.folder / _LOCK).read_bytes()[:_LONGEST_HOLDER]) or "?"
        except OSError:
            pass
        return ""

    async def await_serve(self) -> None:
        """Nothing to wait for: the end of a serve's answers is its end."""

    async def check_anew(self) -> None:
        """Nothing to do: here every check reads all of the repository."""

    async def require_borg(self, borg: str) -> None:
        """Nothing to do: without a shell nobody can ask it."""

    async def move(self, repository_id: str, *, to: str) -> None:
        """Nothing to do: the operator moves it, and the next run records where it is."""

    async def read_evidence(self) -> Found:
        known, damage = self._read()
        given_up = (self.folder / _GIVEN_UP).exists()
        return Found(repository=known is not None, ledger=known, unreadable=damage, given_up=given_up)

    def _read(self) -> tuple[Ledger | None, str]:
        with _os_errors_as_failure("read the ledger"):
            try:
                with (self.folder / _LEDGER).open("rb") as file:
                    return read(file.read(MOST_LEDGER + 1))
            except FileNotFoundError:
                return None, ""

    async def write(self, ledger: Ledger, *, snapshot: str = "keep", grace: str = "", oldest: str = "") -> Written:
        """Replace the ledger, on the disk before anything else is done. No snapshot can be made here."""
        with _os_errors_as_failure("write the ledger"):
            make_private(self.folder)
            self._make_ids()
            files.replace(self.ids / ledger.evidence.repository_id, f"{self.folder}\n".encode(), mode=0o600)
            files.replace(self.folder / _LEDGER, ledger.dump(), mode=0o600)
            (self.folder / _GIVEN_UP).unlink(missing_ok=True)
        return Written()

    async def give_up(self) -> None:
        with _os_errors_as_failure("put the ledger aside"):
            files.replace(self.folder / _GIVEN_UP, b"", mode=0o600)
            with contextlib.suppress(FileNotFoundError):
                (self.folder / _LEDGER).replace(self.folder / "ledger.retired.json")

    async def read_status(self) -> RepositoryStatus:
        known, damage = self._read()
        with _os_errors_as_failure("read the history"):
            kept = self.folder / _HISTORY
            newest = sorted(kept.iterdir())[-MOST_READ:] if kept.exists() else []
            history = read_history(b"".join(file.read_bytes() for file in newest))
        return RepositoryStatus(
            repository=known is not None,
            size=None,
            transaction=known.evidence.transaction if known else None,
            holder=self._holder(),
            ledger=known,
            unreadable=damage,
            history=history,
        )

    async def remember(self, entry: Entry) -> None:
        folder = self.folder / _HISTORY
        with _os_errors_as_failure("write the history"):
            make_private(folder)
            files.replace(folder / entry.file, entry.dump(), mode=0o600)
            for old in sorted(folder.iterdir())[:-MOST_KEPT]:
                old.unlink(missing_ok=True)

    async def host_keys(self, keys: Collection[str], *, record: bool) -> frozenset[str]:
        folder, own = self.ids.with_name(HOSTS), tag(str(self.folder))
        with _os_errors_as_failure("look for host keys of other targets"):
            make_private(folder)
            others = frozenset(key for key in keys if [f for f in folder.glob(f"{key}.*") if f.suffix != f".{own}"])
            for key in keys if record else ():
                files.replace(folder / f"{key}.{own}", f"{self.folder}\n".encode(), mode=0o600)
        return others

    async def known_place(self, repository_id: str) -> str:
        with _os_errors_as_failure("read the ids of repositories"):
            self._make_ids()
            try:
                return clean((self.ids / repository_id).read_bytes())
            except FileNotFoundError:
                return ""

    def _make_ids(self) -> None:
        """Make the folder of ids, if there is none, of all ledgers that lie below StateDir."""
        if self.ids.exists():
            return
        made = self.ids.with_name(f"{self.ids.name}.{os.getpid()}")
        make_private(made)
        for ledger in _ledgers(self.ids.parent.parent):
            with contextlib.suppress(Unreadable, NewerLedger):
                known = load(ledger.read_bytes()[: MOST_LEDGER + 1])
                files.replace(made / known.evidence.repository_id, f"{ledger.parent}\n".encode(), mode=0o600)
        try:
            made.rename(self.ids)
        except OSError:
            # Another run may have been faster.
            if not self.ids.is_dir():
                raise
            shutil.rmtree(made)


@contextlib.contextmanager
def _os_errors_as_failure(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(CONTROLLER, f"could not {doing}: {error.strerror}: {error.filename}", hint=_HINT) from None


def store_of(config: Config, target: Target, master: ssh.Master, place: Place | None = None) -> Store:
    """Return where the ledger of a target is kept, on the backup server at its `place` if that gives a shell."""
    at = place or place_of(config, target)
    return local_store(config, target) if config.sockets else ServerStore(master, at)


def local_store(config: Config, target: Target) -> LocalStore:
    """Return where the ledger of a target is kept on the controller."""
    root = Path(config.state_dir)
    return LocalStore(root.joinpath(*target.borg_target.sub_dir.strip("/").split("/")), root / IDS)


def _ledgers(root: Path) -> Iterator[Path]:
    """Yield the ledgers below `root`, present and retired ones. Raises OSError where a folder cannot be read."""

    def unreadable(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(root, onerror=unreadable):
        yield from (Path(folder, name) for name in fnmatch.filter(names, "ledger*.json"))


def make_private(folder: Path) -> None:
    """Make a folder for this user alone, and those above it that are missing. Raises OSError."""
    for missing in [place for place in (*reversed(folder.parents), folder) if not place.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
