"""The ledger of one repository: the last verified state, and what was going on. JSON on B, read as hostile text.

While the phase is not clean, the stored state stays the truth, and is never replaced by what is found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from types import MappingProxyType, NoneType
from typing import Any

from ..errors import CONTROLLER, Failure
from ..guard import Evidence, Unreadable, from_json, to_json
from ..guard.evidence import MOST_NAME
from ..hostile import clean
from ..retention import Facts, Oddity, Source, Standing

VERSION = 1
# One of ten thousand segments and a thousand archives has 300 kB. What reads JSON may need 30 times its length.
MOST_LEDGER = 16 * 1024 * 1024
_MOST_RULES = 100
# So many of the last good archives are looked at: files that shrink night by night are held against the fullest.
MOST_COMPARED = 14
_MOST_NUMBER = 1 << 62
# The last second of the year 9999: no clock shows more.
_MOST_SECONDS = 253402300799.0
_SOURCE = (str, str, (bool, NoneType), (bool, NoneType), str, bool)
_FACTS = (str, str, (int, float), int, int, int, (int, float), int, int)
_HOLD = (str, str, str, str, (int, float))


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
class Note:
    """What is known of an archive: whether its run took it for a backup, why not, and the source paths that it holds.

    The state is one of those that retention knows; an archive without a note is from before there were any.
    """

    state: Standing
    reason: str = ""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Why nothing is pruned: what is odd, of a source path or of the series (`stream`, empty for the source paths).

    `words` are for people; `since` is when the first archive that is odd so was made, in unix seconds.
    """

    oddity: Oddity
    path: str = ""
    stream: str = ""
    words: str = ""
    since: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The record. Times are unix seconds by C's clock; `archive` is the name that C chose for T's session.

    `cause` and the broken `rules` are in words, when the phase is CLOSED. `size` and `files` are what the last archive
    held, in bytes and number: the one honest guess at what the next will. `linked` is false where B's file system
    has no hard links. `taken` are the bytes that the repository took on B when T's last session began, 0 where that is
    not known. `checked` is when borg check last passed, 0 for never; `checking`: one began since, and did not pass.
    `notes` and `facts` are by archive id. Until `expected` what is odd is not held, for the reason `expected_why`;
    `released` is when its last hold ended. In the phase OWN `intent` has the ids of the archives that C is about to
    delete; None where that is not known.
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
    checking: bool = False
    notes: Mapping[str, Note] = field(default_factory=lambda: MappingProxyType({}))
    intent: frozenset[str] | None = None
    facts: Mapping[str, Facts] = field(default_factory=lambda: MappingProxyType({}))
    holds: tuple[Hold, ...] = ()
    expected: float = 0.0
    expected_why: str = ""
    released: float = 0.0

    def note(self, archive_id: str) -> Note:
        """Return what is known of an archive; one from before there were notes counts as good."""
        return self.notes.get(archive_id, Note(state=Standing.GOOD))

    def is_good(self, archive_id: str) -> bool:
        return self.note(archive_id).state is Standing.GOOD

    def dump(self) -> bytes:
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
            "checking": self.checking,
            **_dump_notes(self),
            "intent": None if self.intent is None else sorted(self.intent),
            "facts": _dump_facts(self),
            "holds": [[hold.oddity.value, hold.path, hold.stream, hold.words, hold.since] for hold in self.holds],
            "expected": [self.expected, self.expected_why],
            "released": self.released,
            "evidence": to_json(self.evidence),
        }
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"


class NewerLedger(Failure):
    """The ledger is of a newer borgpull: nothing is wrong with it, nor with the repository."""

    def __init__(self) -> None:
        super().__init__(
            CONTROLLER,
            "the ledger of this repository was written by a newer borgpull than this one",
            hint="upgrade borgpull on this controller; nothing was changed",
        )


def _dump_notes(ledger: Ledger) -> dict[str, Any]:
    """Return the notes of archives that are still there; their paths, mostly the same ones, stand once."""
    there = {archive.id for archive in ledger.evidence.archives}
    notes = {id_: note for id_, note in ledger.notes.items() if id_ in there}
    paths = list(dict.fromkeys(note.paths for note in notes.values()))
    entries = [[id_, _state_word(note), note.reason, paths.index(note.paths)] for id_, note in notes.items()]
    odd = [id_ for id_, note in notes.items() if note.state is Standing.ODD]
    return {"paths": [list(each) for each in paths], "notes": entries, "odd": odd}


def _state_word(note: Note) -> str:
    # To a borgpull that does not know odd archives they are set aside.
    return str((Standing.SET_ASIDE if note.state is Standing.ODD else note.state).value)


def _dump_facts(ledger: Ledger) -> dict[str, Any]:
    """Return what is known of archives; their sources and keys, mostly the same ones, stand once.

    Of those that are gone the last good ones are kept: a short rule shall not shorten what is compared.
    """
    there = {archive.id for archive in ledger.evidence.archives}
    newest = sorted(ledger.facts, key=lambda id_: ledger.facts[id_].started, reverse=True)
    last: Counter[str] = Counter()
    facts = {}
    for id_ in newest:
        each = ledger.facts[id_]
        last[each.stream] += ledger.is_good(id_)
        if id_ in there or (ledger.is_good(id_) and last[each.stream] <= MOST_COMPARED):
            facts[id_] = each
    sources = list(dict.fromkeys(each.sources for each in facts.values()))
    keys = list(dict.fromkeys(each.keys for each in facts.values()))
    return {
        "sources": [[list(astuple(source)) for source in each] for each in sources],
        "keys": [sorted(each) for each in keys],
        "archives": [
            [
                *(id_, each.stream, each.started, each.files, each.size, each.new, each.seconds),
                *(sources.index(each.sources), keys.index(each.keys)),
            ]
            for id_, each in facts.items()
        ],
    }


def _load_facts(record: Mapping[str, Any]) -> Mapping[str, Facts]:
    """Return what is known of archives; nothing where another borgpull writes it down in another way."""
    try:
        return _read_facts(record)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return MappingProxyType({})


def _read_facts(record: Mapping[str, Any]) -> Mapping[str, Facts]:
    table = _is(record.get("facts", {}), dict)
    sources = [tuple(_load_source(row) for row in each) for each in table.get("sources", [])]
    keys = [frozenset(_name(key) for key in each) for each in table.get("keys", [])]
    found = {}
    for row in table.get("archives", []):
        id_, stream, started, files, size, new, seconds, source, key = _typed(row, _FACTS)
        found[_name(id_)] = Facts(
            stream=stream,
            started=float(started),
            files=files,
            size=size,
            new=new,
            seconds=float(seconds),
            sources=sources[source],
            keys=keys[key],
        )
    return MappingProxyType(found)


def _load_source(row: object) -> Source:
    path, kind, holds, mount, leads, excluded = _typed(row, _SOURCE)
    return Source(path=path, kind=kind, holds=holds, mount=mount, leads=clean(leads), excluded=excluded)


def _load_holds(record: Mapping[str, Any]) -> tuple[Hold, ...]:
    rows = [_typed(row, _HOLD) for row in _is(record.get("holds", []), list)[:_MOST_RULES]]
    if {row[0] for row in rows} - {oddity.value for oddity in Oddity}:
        raise NewerLedger
    return tuple(
        Hold(oddity=Oddity(oddity), path=path, stream=stream, words=clean(words), since=float(since))
        for oddity, path, stream, words, since in rows
    )


def _typed(row: object, kinds: tuple[Any, ...]) -> list[Any]:
    return [_is(value, kind) for value, kind in zip(_is(row, list), kinds, strict=True)]


def _load_intent(value: object) -> frozenset[str] | None:
    return None if value is None else frozenset(_name(each) for each in _is(value, list))


def _load_notes(record: Mapping[str, Any]) -> Mapping[str, Note]:
    paths = [tuple(_is(path, str) for path in _is(each, list)) for each in _is(record.get("paths", []), list)]
    odd = set(_is(record.get("odd", []), list))
    notes = {
        _name(id_): Note(
            state=Standing.ODD if id_ in odd else Standing(state),
            reason=clean(_is(reason, str)),
            paths=paths[_is(number, int)],
        )
        for id_, state, reason, number in _is(record.get("notes", []), list)
    }
    return MappingProxyType(notes)


def read(text: bytes) -> tuple[Ledger | None, str]:
    """Read a ledger; of one that is none of ours, None and why. Raises NewerLedger."""
    try:
        return load(text), ""
    except Unreadable as error:
        return None, str(error)


def load(text: bytes) -> Ledger:
    """Read a ledger. Raises Unreadable when it is none of ours, NewerLedger when a newer borgpull wrote it."""
    if len(text) > MOST_LEDGER:
        raise Unreadable("it is too large")
    try:
        record: Any = json.loads(text)
        if _is(record["version"], int) > VERSION:
            raise NewerLedger
        if record["version"] != VERSION:
            raise Unreadable("it was written by another version of borgpull")
        expected, why = record.get("expected", [0.0, ""])
        return Ledger(
            phase=Phase(record["phase"]),
            archive=_name(record["archive"]),
            started=float(_within(_MOST_SECONDS, _is(record["started"], (int, float)))),
            cause=clean(_is(record["cause"], str)),
            rules=tuple(clean(_is(rule, str)) for rule in _is(record["rules"], list)[:_MOST_RULES]),
            linked=_is(record["linked"], bool),
            size=_within(_MOST_NUMBER, _is(record["size"], int)),
            files=_within(_MOST_NUMBER, _is(record["files"], int)),
            # The first ledgers have none of these.
            taken=_within(_MOST_NUMBER, _is(record.get("taken", 0), int)),
            checked=float(_within(_MOST_SECONDS, _is(record.get("checked", 0.0), (int, float)))),
            checking=_is(record.get("checking", False), bool),
            notes=_load_notes(record),
            intent=_load_intent(record.get("intent")),
            facts=_load_facts(record),
            holds=_load_holds(record),
            expected=float(_is(expected, (int, float))),
            expected_why=clean(_is(why, str)),
            released=float(_within(_MOST_SECONDS, _is(record.get("released", 0.0), (int, float)))),
            evidence=from_json(record["evidence"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise Unreadable(f"it is damaged ({type(error).__name__})") from None


def _is(value: Any, kind: type | tuple[type, ...]) -> Any:  # noqa: ANN401 - checked here
    if not isinstance(value, kind):
        raise TypeError
    return value


def _within(most: float, value: Any) -> Any:  # noqa: ANN401 - a number, checked before
    if not 0 <= value <= most:
        raise ValueError
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_NAME:
        raise TypeError
    return value
