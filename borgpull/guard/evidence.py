"""Evidence: B's records and the archives that C's own `borg list` found, at one moment; and its form in the ledger.

The list has to be taken before the records: opening a repository makes Borg finish what a crash left half recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from .records import MOST_CONFIG, Counts, File, Records, Unreadable, read_records

# 280 bytes an archive as Borg lists it: 8 MiB are three years of hourly archives.
MOST_LIST = 8 * 1024 * 1024
MOST_ARCHIVES = 100_000
MOST_NAME = 255
_MOST_NUMBER = 1 << 64
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_EXPORTED = re.compile(rb"BORG_KEY ([0-9a-f]{64})\n([A-Za-z0-9+/=\n]*[A-Za-z0-9+/=])\n*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, order=True, kw_only=True)
class Archive:
    """An archive as the manifest has it. Its name is hostile text; `start` is ISO, UTC where it has no zone."""

    name: str
    id: str
    start: str

    @property
    def seconds(self) -> float:
        """Return the start in unix seconds."""
        return _moment(self.start).timestamp()


@dataclass(frozen=True, kw_only=True)
class Evidence(Records):
    """The records, the archives (checkpoints too), and when T or C last rewrote the manifest, as it says of itself."""

    archives: frozenset[Archive]
    last_modified: str

    @property
    def modified(self) -> float:
        """Return last_modified in unix seconds."""
        return _moment(self.last_modified).timestamp()


def read_evidence(
    *,
    files: Mapping[str, File],
    archives: bytes,
    read_hints: Callable[[bytes], Counts],
    segments: Collection[int] | None = None,
) -> Evidence:
    """Make evidence of the files of a repository, and of what `borg list --json --consider-checkpoints` printed.

    Borg prints times without a zone: run it with TZ=UTC. Raises Unreadable.
    """
    records = read_records(files, read_hints=read_hints, segments=segments)
    listed_id, found, last_modified = _read_list(archives)
    if listed_id != records.repository_id:
        raise Unreadable("the list of archives is of another repository than the records")
    same = {field.name: getattr(records, field.name) for field in fields(Records)}
    return Evidence(**same, archives=found, last_modified=last_modified)


def read_archives(archives: bytes) -> frozenset[Archive]:
    """Return the archives that `borg list --json` printed, TZ being UTC. Raises Unreadable."""
    return _read_list(archives)[1]


def read_listed(*, archives: bytes, key: bytes) -> Evidence:
    """Make evidence where nothing is seen of B's own records: of the list, and of what `borg key export` wrote.

    It says nothing of objects, settings and nonce. Raises Unreadable.
    """
    exported = _EXPORTED.fullmatch(key[:MOST_CONFIG])
    if exported is None:
        raise Unreadable("the key is not what `borg key export` writes")
    listed_id, found, last_modified = _read_list(archives)
    if listed_id != exported[1].decode():
        raise Unreadable("the list of archives is of another repository than the key")
    return Evidence(
        repository_id=listed_id,
        key=exported[2].decode(),
        settings=(),
        transaction=0,
        live=MappingProxyType({}),
        nonce=None,
        counted=False,
        archives=found,
        last_modified=last_modified,
    )


def _read_list(text: bytes) -> tuple[str, frozenset[Archive], str]:
    """Return the repository's id, the archives, and when the list was last rewritten."""
    if len(text) > MOST_LIST:
        raise Unreadable("the list of archives is too large")
    try:
        listed = json.loads(text)
        repository = _table(listed["repository"])
        entries = [_table(entry) for entry in _sequence(listed["archives"])]
        found = _archives([(entry["name"], entry["id"], entry["start"]) for entry in entries])
        return _text(repository["id"]), found, _time(repository["last_modified"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"the list of archives is damaged ({type(error).__name__})") from None


def still_holds(evidence: Evidence, records: Records) -> bool:
    """Tell whether the records are those of the evidence, so that the archives need not be listed again.

    Never where segments lie above the last transaction: one of them may be a commit that Borg has yet to replay.
    """
    if not evidence.counted:
        return False
    kept = ("repository_id", "key", "settings", "transaction", "live", "nonce")
    same = all(getattr(evidence, name) == getattr(records, name) for name in kept)
    return same and not records.missing and not records.beyond


def to_json(evidence: Evidence) -> dict[str, Any]:
    """Return the evidence as a JSON object."""
    same = ("repository_id", "key", "transaction", "nonce", "freeable", "used", "beyond", "counted", "last_modified")
    return {name: getattr(evidence, name) for name in same} | {
        "settings": [list(pair) for pair in evidence.settings],
        "live": [list(pair) for pair in sorted(evidence.live.items())],
        "missing": list(evidence.missing),
        "archives": [[a.name, a.id, a.start] for a in sorted(evidence.archives)],
    }


def from_json(record: object) -> Evidence:
    """Return the evidence that `to_json` made the object of. Raises Unreadable when it did not."""
    try:
        return _from_table(_table(record))
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"the ledger's evidence is damaged ({type(error).__name__})") from None


def _from_table(table: Mapping[str, Any]) -> Evidence:
    if not _HEX.fullmatch(_text(table["repository_id"])):
        raise ValueError
    pairs = [(_utf8(key), _utf8(value)) for key, value in _sequence(table["settings"])]
    if len({key.lower() for key, _ in pairs}) != len(pairs):
        raise ValueError
    live = {_number(segment): _number(count) for segment, count in _sequence(table["live"])}
    return Evidence(
        repository_id=table["repository_id"],
        key=_utf8(table["key"]),
        settings=tuple(pairs),
        transaction=_number(table["transaction"]),
        live=MappingProxyType(live),
        nonce=None if table["nonce"] is None else _number(table["nonce"]),
        freeable=_number(table["freeable"]),
        # -1, or not there in older ledgers: unknown.
        used=_number(used) if (used := table.get("used", -1)) != -1 else -1,
        missing=tuple(_number(segment) for segment in _sequence(table["missing"])),
        beyond=_number(table["beyond"]),
        counted=_truth(table.get("counted", True)),
        archives=_archives([(name, id_, start) for name, id_, start in _sequence(table["archives"])]),
        last_modified=_time(table["last_modified"]),
    )


def _archives(found: list[tuple[Any, Any, Any]]) -> frozenset[Archive]:
    if len(found) > MOST_ARCHIVES:
        raise ValueError
    return frozenset(Archive(name=_name(name), id=_id(id_), start=_time(start)) for name, id_, start in found)


def _name(value: object) -> str:
    if len(name := _text(value)) > MOST_NAME:
        raise ValueError
    return name


def _id(value: object) -> str:
    if not _HEX.fullmatch(text := _text(value)):
        raise ValueError
    return text


def _time(value: object) -> str:
    _moment(text := _text(value)).timestamp()
    return text


def _moment(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise ValueError
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _utf8(value: object) -> str:
    # A rollback may have to write it into a config again.
    (text := _text(value)).encode()
    return text


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    if not 0 <= value < _MOST_NUMBER:
        raise ValueError
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _sequence(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value
