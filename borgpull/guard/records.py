"""B's own records of a repository, read from one tar of `config`, `nonce` and `hints.*`. Never extracted to a disk.

The tar is hostile: few members, plain files alone, all of a bounded size, and nothing but Unreadable is raised.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from .tar import Member, members

MOST_MEMBERS = 16
# About 1 kB, the key in lines of 70 characters. Python's configparser takes time with the square of a line's length.
MOST_CONFIG = 16 * 1024
_LONGEST_LINE = 1024
MOST_NONCE = 64
_MEMBER = re.compile(r"(?:\./)?(config|nonce|hints\.(0|[1-9][0-9]{0,9}))", re.ASCII)
# Borg leaves these when it dies while it writes (SaveFile, write_index); the next writer replaces them.
_LEFT_BEHIND = re.compile(r"(?:\./)?(?:hints|config|nonce)[.-]?[0-9A-Za-z_-]*\.tmp", re.ASCII)
# `borg check --max-duration` remembers here how far it came.
_MAY_MOVE = "last_segment_checked"


class Unreadable(Exception):
    """The evidence is not what Borg writes. The message is a part of a sentence, free of hostile text."""


class Counts(Protocol):
    """What the reader of `hints.N` returns; it belongs to the borg room, of which this one knows nothing."""

    @property
    def live(self) -> Mapping[int, int]:
        """Live objects by segment."""

    @property
    def freeable(self) -> int:
        """Bytes that a compaction may free."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """What B recorded up to the last transaction, which is the number of the segment that its commit ends.

    `key` is the encrypted repository key as the config has it, empty where the key is not kept on B. `missing` are
    segments with live objects that are not there; `beyond` is how many segments lie above the last transaction: what
    a session left uncommitted, or a commit that Borg has yet to replay. Both are empty if no segments were listed.

    Where B gives no shell only id and key are known, and `counted` is false: nothing is known of its objects.
    """

    repository_id: str
    key: str
    settings: tuple[tuple[str, str], ...]
    transaction: int
    live: Mapping[int, int]
    nonce: int | None
    freeable: int = 0
    missing: tuple[int, ...] = ()
    beyond: int = 0
    counted: bool = True


def read_records(
    tar: bytes, *, read_hints: Callable[[bytes], Counts], segments: Collection[int] | None = None
) -> Records:
    """Read the records from a tar of `config`, `nonce` and `hints.*`; `segments` are the numbers of the files in data/.

    Of several hints the highest counts: Borg puts the new ones in place before it removes the old ones. Raises
    Unreadable.
    """
    files = _read_tar(tar)
    if "config" not in files:
        raise Unreadable("there is no config: no repository, or not all of one")
    repository_id, key, settings = _read_config(files["config"])
    transaction = max((int(name[6:]) for name in files if name.startswith("hints.")), default=None)
    if transaction is None:
        raise Unreadable("there are no hints: Borg has to rebuild its records first")
    try:
        counts = read_hints(files[f"hints.{transaction}"])
    except ValueError as error:
        raise Unreadable(str(error)) from None
    needed = {segment for segment, objects in counts.live.items() if objects}
    return Records(
        repository_id=repository_id,
        key=key,
        settings=settings,
        transaction=transaction,
        live=counts.live,
        nonce=_read_nonce(files["nonce"]) if "nonce" in files else None,
        freeable=counts.freeable,
        missing=() if segments is None else tuple(sorted(needed.difference(segments))),
        beyond=sum(segment > transaction for segment in segments or ()),
    )


def _read_tar(data: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        for number, member in enumerate(members(data)):
            if number >= MOST_MEMBERS:
                raise Unreadable("there are more records than Borg keeps")
            if not _LEFT_BEHIND.fullmatch(member.name):
                files[_member_name(member, files)] = data[member.start : member.start + member.size]
    except ValueError:
        raise Unreadable("the tar of B is damaged, or far too large") from None
    return files


def _member_name(member: Member, files: Mapping[str, bytes]) -> str:
    known = _MEMBER.fullmatch(member.name)
    if known is None or known[1] in files:
        raise Unreadable("the tar of B holds something else than the records")
    if not member.plain:
        raise Unreadable(f"{known[1]} is no plain file")
    if known[2] is None and member.size > (MOST_CONFIG if known[1] == "config" else MOST_NONCE):
        raise Unreadable(f"{known[1]} is too large")
    return known[1]


def _read_config(data: bytes) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    config = configparser.ConfigParser(interpolation=None)
    try:
        # Read with universal newlines, as Borg does: a carriage return that T put into the key begins a line.
        lines = list(io.StringIO(data.decode(), newline=None))
        if max(map(len, lines), default=0) > _LONGEST_LINE:
            raise Unreadable("the config has lines longer than Borg writes")
        config.read_file(lines)
        settings = dict(config["repository"])
    except (configparser.Error, ValueError, KeyError) as error:
        raise Unreadable(f"the config is damaged ({type(error).__name__})") from None
    if config.sections() != ["repository"] or config.defaults():
        raise Unreadable("the config holds something else than a repository")
    repository_id, key = settings.pop("id", ""), settings.pop("key", "")
    if not re.fullmatch(r"[0-9a-f]{64}", repository_id, re.ASCII):
        raise Unreadable("the config holds no repository id")
    settings.pop(_MAY_MOVE, None)
    return repository_id, key, tuple(sorted(settings.items()))


def _read_nonce(data: bytes) -> int:
    text = data.strip()
    if not re.fullmatch(rb"[0-9a-f]{16}", text):
        raise Unreadable("the nonce is damaged")
    return int(text, 16)
