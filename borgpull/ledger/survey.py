"""What stands in a ledger, and what of the repository can be seen beside it without opening it.

One exec on B for each repository; it takes no lock, waits for nobody and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ssh
from ..hostile import clean
from . import scripts
from .record import Ledger, read
from .store import MOST_EVIDENCE, Place

SECONDS = 120.0
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


async def survey(master: ssh.Master, place: Place) -> Surveyed:
    """Look at a repository's ledger. Raises Failure when B cannot be asked."""
    done = await ssh.execute(
        master, scripts.SURVEY, place.repository, place.ledger, seconds=SECONDS, most=MOST_EVIDENCE
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
