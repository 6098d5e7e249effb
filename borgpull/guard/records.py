"""Borg's own records of a repository: what its `config`, `nonce` and `hints.*` hold. Never written to a disk.

They are untrusted: few files, plain ones alone, all of a bounded size, and nothing but Unreadable is raised.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..errors import BACKUP_SERVER, Failure
from .hints import read_hints

MOST_FILES = 16
# About 1 kB, the key in lines of 70 characters. Python's configparser takes time with the square of a line's length.
MOST_CONFIG = 16 * 1024
_LONGEST_LINE = 1024
MOST_NONCE = 64
# `borg check --max-duration` remembers here how far it came.
_MAY_MOVE = "last_segment_checked"


class Unreadable(Exception):
    """The evidence is not what Borg writes. The message is a part of a sentence, free of untrusted text."""


class TooMany(Failure):
    """A repository has more than borgpull can read of one. Nothing is wrong with it, and nothing is closed for it."""

    def __init__(self, there: str) -> None:
        cause = f"a repository has reached a limit of borgpull: {there}"
        hint = "keep less (PruneSetting, PruneAlso) and have borg delete what is too much: `borgpull borg NAME "
        super().__init__(BACKUP_SERVER, cause, hint=f"{hint}--full-access -- delete -a 'PATTERN'`; nothing was changed")


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of the repository's folder, or its first bytes; `plain` is false of what is no plain file."""

    plain: bool
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Records:
    """What Borg recorded up to the last transaction, which is the number of the segment that its commit ends.

    `key` is the encrypted repository key as the config has it, empty where the repository has none. `missing` are
    segments with live objects that are not there; `beyond` is how many segments lie above the last transaction: what
    a session left uncommitted, or a commit that Borg has yet to replay. Both are empty if no segments were listed.
    `used` are the bytes of all live objects by Borg's own count, -1 where that is not known.

    `check_from` is the segment from which a check that was not done to its end would go on, -1 if that is no number.

    Where the backup server gives no shell only id and key are known, and `counted` is false: no object was counted.
    """

    repository_id: str
    key: str
    settings: tuple[tuple[str, str], ...]
    transaction: int
    live: Mapping[int, int]
    nonce: int | None
    freeable: int = 0
    used: int = -1
    missing: tuple[int, ...] = ()
    beyond: int = 0
    counted: bool = True
    check_from: int = field(default=0, compare=False)


def read_records(files: Mapping[str, File], *, segments: Collection[int] | None = None) -> Records:
    """Read the records from `config`, `nonce` and `hints.*`; `segments` are the numbers of the files in data/.

    Of several hints the highest counts: Borg puts the new ones in place before it removes the old ones. Raises
    Unreadable.
    """
    if len(files) > MOST_FILES:
        raise Unreadable("there are more records than Borg keeps")
    if "config" not in files:
        raise Unreadable("there is no config: no repository, or not all of one")
    repository_id, key, settings, check_from = _read_config(_plain(files, "config", MOST_CONFIG))
    transaction = max((int(name[6:]) for name in files if name.startswith("hints.")), default=None)
    if transaction is None:
        raise Unreadable("there are no hints: Borg has to rebuild its records first")
    try:
        counts = read_hints(_plain(files, f"hints.{transaction}"))
    except ValueError as error:
        raise Unreadable(str(error)) from None
    needed = {segment for segment, objects in counts.live.items() if objects}
    return Records(
        repository_id=repository_id,
        key=key,
        settings=settings,
        transaction=transaction,
        live=counts.live,
        nonce=_read_nonce(_plain(files, "nonce", MOST_NONCE)) if "nonce" in files else None,
        freeable=counts.freeable,
        used=counts.used,
        missing=() if segments is None else tuple(sorted(needed.difference(segments))),
        beyond=sum(segment > transaction for segment in segments or ()),
        check_from=check_from,
    )


def nonce_fell(before: Records, after: Records) -> bool:
    return before.nonce is not None and (after.nonce is None or after.nonce < before.nonce)


def _plain(files: Mapping[str, File], name: str, most: int | None = None) -> bytes:
    file = files[name]
    if not file.plain:
        raise Unreadable(f"{name} is no plain file")
    if most is not None and len(file.data) > most:
        raise Unreadable(f"{name} is too large")
    return file.data


def _read_config(data: bytes) -> tuple[str, str, tuple[tuple[str, str], ...], int]:
    config = configparser.ConfigParser(interpolation=None)
    try:
        # Read with universal newlines, as Borg does: a carriage return that a target put into the key begins a line.
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
    mark = settings.pop(_MAY_MOVE, "")
    check_from = int(mark) + 1 if re.fullmatch(r"[0-9]{1,17}", mark, re.ASCII) else -bool(mark)
    return repository_id, key, tuple(sorted(settings.items())), check_from


def _read_nonce(data: bytes) -> int:
    text = data.strip()
    if not re.fullmatch(rb"[0-9a-f]{16}", text):
        raise Unreadable("the nonce is damaged")
    return int(text, 16)
