"""Where what is known of one repository is kept: on B beside the repository, or on C where B gives no shell.

On B more can be seen than a ledger: Borg's own records of the repository. And only there is a snapshot, and a way back.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from .. import ssh
from ..hostile import clean
from . import scripts, store
from .record import Ledger, read
from .store import MOST_EVIDENCE, Found, Place, Written

_SURVEY_SECONDS = 120.0
# The longest number of a segment or of kilobytes that is read.
_LONGEST = 15


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """What was seen. `taken` are the repository's bytes on B, `transaction` its last one, None where there is none.

    `holder` says who is at work on it now. `unreadable` says why there is a ledger that cannot be read.
    """

    repository: bool
    taken: int | None
    transaction: int | None
    holder: str
    ledger: Ledger | None
    unreadable: str


class Vault(Protocol):
    """The ledger of one repository. `records` tells whether Borg's own records can be seen there too.

    Each method raises Failure when what it does cannot be done.
    """

    @property
    def records(self) -> bool:
        """Tell whether Borg's records can be seen, and a snapshot be made."""

    @property
    def pid_file(self) -> str:
        """Return where B is to keep the pid of T's `borg serve`, "" for nowhere."""

    def held(self) -> AbstractAsyncContextManager[None]:
        """Keep every other run away for as long as the context lasts."""

    async def await_serve(self) -> None:
        """Wait until no `borg serve` of T's is at work any more."""

    async def serve_state(self) -> str:
        """Return the state of T's `borg serve` as /proc names it, "" if unknown."""

    async def look(self) -> Found:
        """Return the ledger, and what can be seen of the repository."""

    async def write(self, ledger: Ledger, *, snapshot: str = "keep") -> Written:
        """Store the ledger; `snapshot` is "make", "keep" or "drop"."""

    async def retire(self) -> None:
        """Put the ledger aside: nothing is known of the repository then."""

    async def survey(self) -> Surveyed:
        """Tell how things stand: takes no lock, waits for nobody, and changes nothing."""


@dataclass(frozen=True)
class ServerVault:
    """The ledger on B, in a folder that no session of T can reach."""

    records: ClassVar[bool] = True
    master: ssh.Master
    place: Place

    @property
    def pid_file(self) -> str:
        return self.place.pid_file

    def held(self) -> AbstractAsyncContextManager[None]:
        return store.held(self.master, self.place)

    async def await_serve(self) -> None:
        """Wait for it, and kill it when it does not end."""
        await store.await_serve(self.master, self.place)

    async def serve_state(self) -> str:
        return await store.serve_state(self.master, self.place)

    async def look(self) -> Found:
        """Look, once no `borg serve` of T's is at work there any more."""
        return await store.look(self.master, self.place)

    async def write(self, ledger: Ledger, *, snapshot: str = "keep") -> Written:
        """Make the snapshot before the ledger is written, or drop it afterwards."""
        return await store.write(self.master, self.place, ledger, snapshot=snapshot)

    async def retire(self) -> None:
        """Keep it as `ledger.retired.json`."""
        await store.retire(self.master, self.place)

    async def survey(self) -> Surveyed:
        return await _survey(self.master, self.place)


async def _survey(master: ssh.Master, place: Place) -> Surveyed:
    """Look at a repository's ledger. Raises Failure when B cannot be asked."""
    done = await ssh.execute(
        master, scripts.SURVEY, place.repository, place.ledger, seconds=_SURVEY_SECONDS, most=MOST_EVIDENCE
    )
    head, _, body = done.stdout.partition(b"\n\n") if done.stdout[:1] != b"\n" else (b"", b"", done.stdout[1:])
    facts = [line.partition(" ") for line in head.decode("utf-8", "replace").splitlines()]
    words = {word: value for word, _, value in facts}
    transactions = [
        number for word, _, value in facts if word == "transaction" if (number := _number(value)) is not None
    ]
    kilobytes = _number(words.get("kilobytes", ""))
    known, damage = read(body) if "ledger" in words else (None, "")
    return Surveyed(
        repository="repository" in words,
        taken=None if kilobytes is None else kilobytes * 1024,
        transaction=max(transactions, default=None),
        holder=clean(words.get("held", "")),
        ledger=known,
        unreadable=damage,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST else None
