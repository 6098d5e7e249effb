"""The ledger of one repository: the last verified state, and what was going on. JSON, read as untrusted text.

While the phase is not clean, the stored state stays the truth, and is never replaced by what is found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, InstanceOf, StrictBool

from ..errors import CONTROLLER, Failure
from ..guard import Evidence, TooMany, Unreadable, from_json, to_json
from ..guard.evidence import Many, ManyOnce, Name, made
from ..retention import ArchiveState, Facts, Oddity, Source
from ..untrusted import clean

_T = TypeVar("_T")
VERSION = 1
# One of 300,000 segments and 60,000 archives has 24 MB. What reads JSON may need 30 times its length.
MOST_LEDGER = 64 * 1024 * 1024
_MOST_RULES = 100
# So many of the last good archives are looked at: files that shrink night by night are held against the fullest.
MOST_COMPARED = 14
_MOST_NUMBER = 1 << 62
# What is written by the name of its field, in this order. The first ledgers have but these.
_FIRST = ["phase", "archive", "started", "cause", "rules", "linked", "size", "files"]
_PLAIN = [*_FIRST, "taken", "checked", "checking", "target", "check_from", "check_began", "pruned"]
_FIELDS = {"linked": "has_hard_links", "taken": "size_before"}
_NUMBERS = ["stream", "started", "files", "size", "new", "seconds"]

# The last second of the year 9999: no clock shows more.
Seconds = Annotated[float, Field(strict=True, ge=0, le=253402300799.0)]
_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Number = Annotated[int, Field(strict=True, ge=0, le=_MOST_NUMBER)]
_Known = Annotated[int, Field(strict=True, ge=-_MOST_NUMBER, le=_MOST_NUMBER)]
# What an operator typed need not be Unicode.
_Text = InstanceOf[str]
Clean = Annotated[_Text, AfterValidator(clean)]
_FirstRules = BeforeValidator(itemgetter(slice(_MOST_RULES)))


class Phase(StrEnum):
    """What was going on when the ledger was written."""

    CLEAN = "clean"
    """The evidence is the repository's state; no run is at work."""
    OPEN = "open"
    """The target may be adding the archive named; the evidence is from before."""
    MAINTENANCE = "own"
    """The controller itself prunes or compacts; the target has no session. The evidence is from before."""
    CLOSED = "closed"
    """The verdict was bad. The evidence is from before the session; nothing is done until the operator acts."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """The state of an archive in retention's terms, why it is no backup, and the source paths that it holds.

    An archive without a note is from before there were any.
    """

    state: ArchiveState
    reason: str = ""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Why nothing is pruned: what is odd about a source path or a series (`stream`, empty for the source paths).

    `words` are for people; `since` is when the first such archive was made, in unix seconds.
    """

    oddity: Oddity
    path: str = ""
    stream: str = ""
    words: str = ""
    since: float = 0.0


class NewerLedger(Failure):
    """The ledger is of a newer borgpull: nothing is wrong with it, nor with the repository."""

    def __init__(self) -> None:
        super().__init__(
            CONTROLLER,
            "the ledger of this repository was written by a newer borgpull than this one",
            hint="upgrade borgpull on this controller; nothing was changed",
        )


_ROW = pydantic.TypeAdapter(tuple[_Text, _Text, _Text, Clean, _Finite])


def _hold(row: object) -> Hold:
    word, path, stream, words, since = _ROW.validate_python(row)
    try:
        return Hold(oddity=Oddity(word), path=path, stream=stream, words=words, since=since)
    except ValueError:
        raise NewerLedger from None


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The record. Times are unix seconds by the controller's clock, which also chose the name `archive`.

    `cause` and the broken `rules` are in words, when the phase is CLOSED. `size` and `files` are those of the last
    archive: the one honest guess at the next. `has_hard_links` is about the backup server's file system. `size_before`
    is the size of the repository there before the target's last session, 0 if unknown. `checked` is when borg check
    last passed, 0 for never; `checking`: one began since, and did not pass.
    `notes` and `facts` are by archive id. Until `expected` nothing odd is held, for the reason `expected_why`;
    `released` is when its last hold ended. In the phase MAINTENANCE `intent` has the ids of the archives to be deleted;
    None if unknown. `target` is its name, once a run has written it down.
    `check_from` is the segment from which a check goes on that began at `check_began`; 0 where none did, or it found
    damage. `pruned` is when the repository was last pruned and compacted, or made, by us; 0 for never.
    """

    phase: Phase
    evidence: Annotated[Evidence, BeforeValidator(from_json)]
    archive: Name = ""
    started: Seconds = 0.0
    cause: Clean = ""
    rules: Annotated[Many[Clean], _FirstRules] = ()
    has_hard_links: StrictBool = True
    size: _Number = 0
    files: _Number = 0
    size_before: _Number = 0
    checked: Seconds = 0.0
    checking: StrictBool = False
    notes: pydantic.SkipValidation[Mapping[str, Note]] = field(default_factory=lambda: MappingProxyType({}))
    intent: ManyOnce[Name] | None = None
    facts: pydantic.SkipValidation[Mapping[str, Facts]] = field(default_factory=lambda: MappingProxyType({}))
    holds: Annotated[Many[Annotated[Hold, BeforeValidator(_hold)]], _FirstRules] = ()
    expected: Seconds = 0.0
    expected_why: Clean = ""
    released: Seconds = 0.0
    target: Clean = ""
    check_from: _Number = 0
    check_began: Seconds = 0.0
    pruned: Seconds = 0.0

    def note(self, archive_id: str) -> Note:
        """Return the note of an archive; one from before there were notes counts as good."""
        return self.notes.get(archive_id, Note(state=ArchiveState.GOOD))

    def is_good(self, archive_id: str) -> bool:
        return self.note(archive_id).state is ArchiveState.GOOD

    def dump(self) -> bytes:
        record = {
            "version": VERSION,
            **{key: getattr(self, _FIELDS.get(key, key)) for key in _PLAIN},
            **_dump_notes(self),
            "intent": None if self.intent is None else sorted(self.intent),
            "facts": _dump_facts(self),
            "holds": [astuple(hold) for hold in self.holds],
            "expected": [self.expected, self.expected_why],
            "released": self.released,
            "evidence": to_json(self.evidence),
        }
        text = json.dumps(record, separators=(",", ":"), default=attrgetter("value")).encode() + b"\n"
        if len(text) > MOST_LEDGER:
            raise TooMany(f"its ledger would take {len(text)} bytes, at most {MOST_LEDGER}")
        return text


_LEDGER = pydantic.TypeAdapter(Ledger)
_Source = Annotated[tuple[_Text, _Text, StrictBool | None, StrictBool | None, Clean, StrictBool], made(Source)]


class _Facts(BaseModel):
    """The facts of archives as they are stored; the last numbers of a row are places in the other lists."""

    sources: Many[Many[_Source]]
    keys: Many[ManyOnce[Name]]
    archives: Many[tuple[Name, _Text, _Finite, _Known, _Known, _Known, _Finite, _Number, _Number]]


class _Notes(BaseModel):
    """The notes of archives as they are stored; the last number of a row is the place of its paths."""

    paths: Many[Many[_Text]] = ()
    notes: Many[tuple[Name, ArchiveState, Clean, _Number]] = ()
    odd: ManyOnce[_Text] = frozenset()


def _dump_notes(ledger: Ledger) -> dict[str, Any]:
    """Return the notes of archives that are still there; their paths, mostly the same ones, are stored once."""
    there = {archive.id for archive in ledger.evidence.archives}
    notes = [(id_, note) for id_, note in ledger.notes.items() if id_ in there]
    paths = _places(note.paths for _, note in notes)
    odd = {id_: ArchiveState.SET_ASIDE for id_, note in notes if note.state is ArchiveState.ODD}
    # To a borgpull that does not know odd archives they are set aside.
    rows = [(id_, odd.get(id_, note.state), note.reason, paths[note.paths]) for id_, note in notes]
    return {"paths": list(paths), "notes": rows, "odd": list(odd)}


def _places(values: Iterable[_T]) -> dict[_T, int]:
    """Return each value once, with its place."""
    return {value: place for place, value in enumerate(dict.fromkeys(values))}


def _dump_facts(ledger: Ledger) -> dict[str, Any]:
    """Return the facts of archives; their sources and keys, mostly the same ones, are stored once.

    The last good ones are kept even of deleted archives: a short retention rule must not shorten the comparison.
    """
    there = {archive.id for archive in ledger.evidence.archives}
    last: Counter[str] = Counter()
    facts = {}
    for id_, each in sorted(ledger.facts.items(), key=lambda entry: entry[1].started, reverse=True):
        last[each.stream] += ledger.is_good(id_)
        if id_ in there or (ledger.is_good(id_) and last[each.stream] <= MOST_COMPARED):
            facts[id_] = each
    sources, keys = _places(each.sources for each in facts.values()), _places(each.keys for each in facts.values())
    return {
        "sources": [[astuple(source) for source in each] for each in sources],
        "keys": [sorted(each) for each in keys],
        "archives": [
            [id_, *(getattr(each, name) for name in _NUMBERS), sources[each.sources], keys[each.keys]]
            for id_, each in facts.items()
        ],
    }


def _read_notes(record: object) -> Mapping[str, Note]:
    stored = _Notes.model_validate(record)
    notes = {
        id_: Note(state=ArchiveState.ODD if id_ in stored.odd else state, reason=reason, paths=stored.paths[number])
        for id_, state, reason, number in stored.notes
    }
    return MappingProxyType(notes)


def _read_facts(table: object) -> Mapping[str, Facts]:
    """Return the facts of archives; none where another version stores them in another way."""
    try:
        stored: Any = _Facts.model_validate(table)
        found = {
            id_: Facts(sources=stored.sources[source], keys=stored.keys[key], **dict(zip(_NUMBERS, known, strict=True)))
            for id_, *known, source, key in stored.archives
        }
    except (ValueError, IndexError):
        found = {}
    return MappingProxyType(found)


def read(text: bytes) -> tuple[Ledger | None, str]:
    """Read a ledger; None and why when it is not one of ours. Raises NewerLedger."""
    try:
        return load(text), ""
    except Unreadable as error:
        return None, str(error)


def load(text: bytes) -> Ledger:
    """Read a ledger. Raises Unreadable when it is not one of ours, NewerLedger when a newer borgpull wrote it."""
    if len(text) > MOST_LEDGER:
        raise Unreadable("it is too large")
    try:
        record: Any = json.loads(text)
        if record["version"] > VERSION:
            raise NewerLedger
        if record["version"] != VERSION:
            raise Unreadable("it was written by another version of borgpull")
        if not record.keys() >= {*_FIRST}:
            raise KeyError
        expected, why = record.get("expected", (0.0, ""))
        fields = {_FIELDS.get(key, key): value for key, value in record.items()}
        fields |= {"notes": _read_notes(record), "facts": _read_facts(record.get("facts"))}
        return _LEDGER.validate_python(fields | {"expected": expected, "expected_why": why})
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise Unreadable(f"it is damaged ({type(error).__name__})") from None
