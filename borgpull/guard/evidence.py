"""Evidence: Borg's records, and the archives that the controller's own `borg list` found; and its form in the ledger.

The list has to be taken before the records: opening a repository makes Borg finish what a crash left half recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, InstanceOf, StrictBool

from .records import MOST_CONFIG, File, Records, TooMany, Unreadable, nonce_fell, read_records

# Some 370 bytes an archive as Borg lists it, with the names that borgpull gives; a hostile target gives others.
MOST_LIST = 48 * 1024 * 1024
MOST_ARCHIVES = 100_000
# With more no session begins: what an honest one adds always fits. Borg's hints of so many segments do, too.
_ROOM_ARCHIVES = 90_000
_ROOM_SEGMENTS = 400_000
MOST_NAME = 255
_MOST_NUMBER = 1 << 64
_EXPORTED = re.compile(rb"BORG_KEY ([0-9a-f]{64})\n([A-Za-z0-9+/=\n]*[A-Za-z0-9+/=])\n*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d:\d\d)?", re.ASCII)
_T = TypeVar("_T")
# One that is wrong is enough: pydantic keeps each error of a long list.
Many = Annotated[tuple[_T, ...], Field(fail_fast=True)]
ManyOnce = Annotated[frozenset[_T], Field(fail_fast=True)]


def made(kind: type) -> AfterValidator:
    """Make a record of a row that has its fields in their order."""
    names = [field.name for field in fields(kind)]
    return AfterValidator(lambda row: kind(**dict(zip(names, row, strict=True))))


def _moment(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise ValueError
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time(text: str) -> str:
    _moment(text)
    return text


def _utf8(text: str) -> str:
    text.encode()
    return text


# pydantic's own str takes or refuses what is no Unicode, as it comes. A name need not be Unicode.
Name = Annotated[InstanceOf[str], Field(max_length=MOST_NAME)]
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A rollback may have to write it into a config again.
_Utf8 = Annotated[str, AfterValidator(_utf8)]
_Time = Annotated[str, AfterValidator(_time)]
_Number = Annotated[int, Field(strict=True, ge=0, lt=_MOST_NUMBER)]


@dataclass(frozen=True, order=True, kw_only=True)
class Archive:
    """An archive as the manifest has it. Its name is untrusted text; `start` is ISO, UTC where it has no zone."""

    name: Name
    id: _Hex
    start: _Time

    @property
    def seconds(self) -> float:
        """Return the start in unix seconds."""
        return _moment(self.start).timestamp()


@dataclass(frozen=True, kw_only=True)
class Evidence(Records):
    """The records, the archives (checkpoints too), and when the manifest was last rewritten, as it says of itself."""

    archives: frozenset[Archive]
    last_modified: str

    @property
    def modified(self) -> float:
        """Return last_modified in unix seconds."""
        return _moment(self.last_modified).timestamp()


def read_evidence(*, files: Mapping[str, File], archives: bytes, segments: Collection[int] | None = None) -> Evidence:
    """Make evidence of the files of a repository, and of what `borg list --json --consider-checkpoints` printed.

    Borg prints times without a zone: run it with TZ=UTC. Raises Unreadable.
    """
    records = read_records(files, segments=segments)
    listed = _read_list(archives)
    if listed.repository.id != records.repository_id:
        raise Unreadable("the list of archives is of another repository than the records")
    return Evidence(**vars(records), archives=listed.archives, last_modified=listed.repository.last_modified)


def read_new(*, files: Mapping[str, File], modified: str, segments: Collection[int]) -> Evidence:
    """Make evidence of a repository that borg on the controller has made just now: it has no archive yet.

    `modified` is the time of its manifest as that borg remembers it; `borg list` prints it cut down to whole seconds.
    Raises Unreadable.
    """
    if not _TIME.fullmatch(modified):
        raise Unreadable("borg does not remember when it wrote the list of archives")
    records = read_records(files, segments=segments)
    return Evidence(**vars(records), archives=frozenset(), last_modified=f"{modified[:19]}.000000")


def read_archives(archives: bytes) -> frozenset[Archive]:
    """Return the archives that `borg list --json` printed, TZ being UTC. Raises Unreadable."""
    return _read_list(archives).archives


def read_listed(*, archives: bytes, key: bytes) -> Evidence:
    """Make evidence where Borg's own records are not visible: of the list, and of what `borg key export` wrote.

    It says nothing of objects, settings and nonce. Raises Unreadable.
    """
    exported = _EXPORTED.fullmatch(key[:MOST_CONFIG])
    if exported is None:
        raise Unreadable("the key is not what `borg key export` writes")
    listed = _read_list(archives)
    if listed.repository.id != exported[1].decode():
        raise Unreadable("the list of archives is of another repository than the key")
    return Evidence(
        repository_id=listed.repository.id,
        key=exported[2].decode(),
        settings=(),
        transaction=0,
        live=MappingProxyType({}),
        nonce=None,
        counted=False,
        archives=listed.archives,
        last_modified=listed.repository.last_modified,
    )


class _Repository(BaseModel):
    id: str
    last_modified: _Time


class _Listed(BaseModel):
    """What is read of `borg list --json`."""

    repository: _Repository
    archives: Annotated[ManyOnce[Archive], Field(max_length=MOST_ARCHIVES)]


def _read_list(text: bytes) -> _Listed:
    if len(text) > MOST_LIST:
        raise TooMany(f"its list of archives is longer than {MOST_LIST} bytes")
    try:
        read = json.loads(text)
        if (there := len(read["archives"])) > MOST_ARCHIVES:
            raise TooMany(f"{there} archives, at most {MOST_ARCHIVES}")
        return _Listed.model_validate(read)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise Unreadable(f"the list of archives is damaged ({type(error).__name__})") from None


def refuse_too_many(evidence: Evidence) -> None:
    """Raise TooMany where one more session might leave more than can be read."""
    if (archives := len(evidence.archives)) > _ROOM_ARCHIVES:
        raise TooMany(f"{archives} archives, at most {_ROOM_ARCHIVES} before a session")
    if (segments := len(evidence.live)) > _ROOM_SEGMENTS:
        raise TooMany(f"{segments} segments, at most {_ROOM_SEGMENTS} before a session")


def still_holds(evidence: Evidence, records: Records) -> bool:
    """Tell whether the records are those of the evidence, so that the archives need not be listed again.

    Never where segments lie above the last transaction: one of them may be a commit that Borg has yet to replay. The
    nonce may have risen: `borg check` reserves some, and commits nothing (1.2.4, 1.4.5).
    """
    kept = ("repository_id", "key", "settings", "transaction", "live")
    same = all(getattr(evidence, name) == getattr(records, name) for name in kept)
    fell = nonce_fell(evidence, records)
    return evidence.counted and same and not fell and not records.missing and not records.beyond


class _Stored(BaseModel):
    """Evidence in a ledger, in the order in which it is written. The first ledgers lack what has a default."""

    repository_id: _Hex
    key: _Utf8
    transaction: _Number
    nonce: _Number | None
    freeable: _Number
    used: Annotated[int, Field(strict=True, ge=-1, lt=_MOST_NUMBER)] = -1
    beyond: _Number
    counted: StrictBool = True
    last_modified: _Time
    settings: Many[tuple[_Utf8, _Utf8]]
    live: Many[tuple[_Number, _Number]]
    missing: Many[_Number]
    archives: Annotated[ManyOnce[Annotated[tuple[Name, _Hex, _Time], made(Archive)]], Field(max_length=MOST_ARCHIVES)]


def to_json(evidence: Evidence) -> dict[str, Any]:
    """Return the evidence as a JSON object."""
    archives = [(archive.name, archive.id, archive.start) for archive in sorted(evidence.archives)]
    pairs = {"live": sorted(evidence.live.items()), "archives": archives}
    return {name: pairs.get(name, getattr(evidence, name)) for name in _Stored.model_fields}


def from_json(record: object) -> Evidence:
    """Return the evidence that `to_json` made the object of. Raises Unreadable when it did not."""
    try:
        stored = _Stored.model_validate(record)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"the ledger's evidence is damaged ({type(error).__name__})") from None
    if len({key.lower() for key, _ in stored.settings}) != len(stored.settings):
        raise Unreadable("the ledger's evidence has a setting twice")
    return Evidence(**dict(stored) | {"live": MappingProxyType(dict(stored.live))})
