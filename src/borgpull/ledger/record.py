"""The ledger of one repository: the last verified state, and what was going on. JSON on B, read as hostile text.

While the phase is not clean, the stored state stays the truth, and is never replaced by what is found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..guard import Evidence, Unreadable, from_json, to_json

VERSION = 1
# The year 10000, which no calendar of ours can show.
_END_OF_TIME = 253402300800


class Phase(StrEnum):
    """What was going on when the ledger was written."""

    CLEAN = "clean"
    """The evidence is the repository's state; nobody of ours is at work."""
    OPEN = "open"
    """T may be adding the archive named; the evidence is from before."""
    OWN = "own"
    """C itself is pruning or compacting; T has no session. The evidence is from before."""
    CLOSED = "closed"
    """The verdict was bad. The evidence is from before T's session; nothing is done until the operator acts."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The record. Times are unix seconds by C's clock; `archive` is the name that C chose for T's session.

    `cause` and the broken `rules` are in words, when the phase is CLOSED. `size` and `files` are what the last archive
    held, in bytes and number: the one honest guess at what the next will. `linked` is false where B's file system
    has no hard links. `taken` are the bytes that the repository took on B when T's last session began, 0 where that is
    not known. `checked` is when borg check last passed, 0 for never.
    """

    phase: Phase
    evidence: Evidence
    archive: str = ""
    started: float = 0.0
    cause: str = ""
    rules: tuple[str, ...] = ()
    linked: bool = True
    size: int = 0
    files: int = 0
    taken: int = 0
    checked: float = 0.0

    def dump(self) -> bytes:
        """Return the ledger as JSON text."""
        record = {
            "version": VERSION,
            "phase": str(self.phase),
            "archive": self.archive,
            "started": self.started,
            "cause": self.cause,
            "rules": list(self.rules),
            "linked": self.linked,
            "size": self.size,
            "files": self.files,
            "taken": self.taken,
            "checked": self.checked,
            "evidence": to_json(self.evidence),
        }
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def read(text: bytes) -> tuple[Ledger | None, str]:
    """Read a ledger; of one that is none of ours, None and why."""
    try:
        return _load(text), ""
    except Unreadable as error:
        return None, str(error)


def _load(text: bytes) -> Ledger:
    try:
        record: Any = json.loads(text)
        if record["version"] != VERSION:
            raise Unreadable("it was written by another version of borgpull")
        return Ledger(
            phase=Phase(record["phase"]),
            archive=_is(record["archive"], str),
            started=float(_is(record["started"], (int, float))),
            cause=_is(record["cause"], str),
            rules=tuple(str(rule) for rule in _is(record["rules"], list)),
            linked=_is(record["linked"], bool),
            size=_is(record["size"], int),
            files=_is(record["files"], int),
            # The first ledgers have neither.
            taken=_is(record.get("taken", 0), int),
            checked=_time(record.get("checked", 0.0)),
            evidence=from_json(record["evidence"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"it is damaged ({type(error).__name__})") from None


def _time(value: object) -> float:
    seconds = float(_is(value, (int, float)))
    if not 0 <= seconds < _END_OF_TIME:
        raise ValueError
    return seconds


def _is(value: Any, kind: type | tuple[type, ...]) -> Any:  # noqa: ANN401 - checked here
    if not isinstance(value, kind):
        raise TypeError
    return value
