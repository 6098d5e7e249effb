"""Borg's output: progress and messages, line by line, and the JSON of `create` and `list`.

All of it is untrusted text when it comes from a target: no shape of it is an error, and what is kept is bounded.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, InstanceOf, StrictBool

from ..results import Item
from ..untrusted import clean

MOST_MESSAGES = 200
_MOST_CHANGES = 20
_HUGE = 1 << 62
_MOST_NUMBER = 1 << 63
_TRACEBACK = "Traceback (most recent call last)"
# For an error of the serve that it does not know, a client prints the traceback of the serve (1.2, 1.4: remote.py).
_SERVED = "in serve\n"
# Borg keeps the cache of a repository in a folder named after the repository's id.
_CACHE_LOCK = re.compile(r"/[0-9a-f]{64}/lock\.(exclusive|roster)\b")


@dataclass(frozen=True)
class Created:
    """The progress of `borg create`, in bytes and files."""

    original_size: int
    deduplicated_size: int
    files: int
    path: str


@dataclass(frozen=True)
class Percent:
    """The progress of something with a known total; `message` is in borg's words."""

    current: int
    total: int
    message: str


@dataclass(frozen=True)
class Message:
    """A log message. `kind` is the last part of borg's msgid, the only part on which 1.2 and 1.4 agree.

    The lock of a client's own cache gets a kind of its own: borg gives it that of the repository's lock.
    `served` says that the client reports an error of its `borg serve`.
    """

    level: str
    kind: str
    text: str
    served: bool = False

    @property
    def is_warning(self) -> bool:
        return self.level == "WARNING"

    @property
    def is_error(self) -> bool:
        return self.level in {"ERROR", "CRITICAL"}


_SHARE = re.compile(r"^ *[0-9.]{1,5}% | *[0-9.]{1,5}%$", re.ASCII)
Line = Created | Percent | Message

# What Python's getpass and borg print when borg reads the passphrase from our pipe (1.2, 1.4).
_ASKING = re.compile(
    rb".*: GetPassWarning: |  passwd = fallback_getpass\(|Warning: Password input may be echoed|Enter passphrase for "
)


def read_line(line: bytes) -> Line | None:
    """Read one line of borg's stderr under --log-json; None when it is empty, or the prompt for a piped passphrase.

    What is not JSON (argparse errors, tracebacks, a shell's complaint) becomes a Message of level "PLAIN"; so does
    another program's JSON: each line of borg's has a type (1.2.4, 1.4.5).
    """
    if _ASKING.match(line):
        return None
    try:
        record = json.loads(line) if line.startswith(b"{") else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or "type" not in record:
        text = clean(line)
        return Message("PLAIN", "", text) if text else None
    match record["type"]:
        case "archive_progress" if "original_size" in record:
            return Created(*_sizes(record), _text(record, "path"))
        case "progress_percent" if _number(record, "total") > 0:
            current, total = _number(record, "current"), _number(record, "total")
            # Borg puts the share in the text too, rounded in its own way.
            return Percent(min(current, total), total, _SHARE.sub("", _text(record, "message")))
        case "log_message" | "question_prompt" | "question_env_answer":
            return _read_message(record)
    return None


def _read_message(record: dict[str, Any]) -> Message | None:
    said = record.get("message")
    if not isinstance(said, str) or not said.strip():
        return None
    kind = _text(record, "msgid").rpartition(".")[2]
    own = kind.startswith("Lock") and _CACHE_LOCK.search(said) is not None
    served = _SERVED in said or (kind == "LockFailed" and not own)
    kind = f"Cache{kind}" if own else kind
    # A traceback is longer than what is kept of a message; below it a serve describes its system.
    if _TRACEBACK in said:
        said = (said.partition("\nPlatform: ")[0].strip() or said.strip()).splitlines()[-1]
    return Message(_text(record, "levelname") or "INFO", kind, clean(said), served)


def _number(record: dict[str, Any], key: str) -> int:
    value = record.get(key)
    return value if type(value) is int and 0 <= value < _HUGE else 0


def _sizes(record: dict[str, Any]) -> tuple[int, int, int]:
    return _number(record, "original_size"), _number(record, "deduplicated_size"), _number(record, "nfiles")


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return clean(value) if isinstance(value, str) else ""


@dataclass
class Messages:
    """The messages of one borg, bounded: the first warnings, errors and others.

    `warned` counts the warnings; `changed` of them say that a file changed while borg read it. Few of these are kept,
    to leave room for others.
    """

    warnings: list[Message] = field(default_factory=list)
    errors: list[Message] = field(default_factory=list)
    others: list[Message] = field(default_factory=list)
    warned: int = 0
    changed: int = 0

    def add(self, message: Message) -> None:
        self.warned += message.is_warning
        if message.is_warning and is_change(message):
            self.changed += 1
            if self.changed > _MOST_CHANGES:
                return
        kept = self.warnings if message.is_warning else self.errors if message.is_error else self.others
        if len(kept) < MOST_MESSAGES:
            kept.append(message)
        elif kept is self.others:
            kept[-1] = message

    def kinds(self) -> list[str]:
        """Return the msgids of all errors and warnings, worst first."""
        return [message.kind for message in (*self.errors, *self.warnings) if message.kind]


def is_change(message: Message) -> bool:
    """Return whether borg only warns that a file changed while borg read it (1.2.4, 1.4.5)."""
    return message.text.endswith("file changed while we backed it up")


@dataclass(frozen=True)
class Archive:
    """The archive that `borg create --json` reports."""

    name: str
    archive_id: str
    original_size: int
    deduplicated_size: int
    files: int


class _Created(BaseModel):
    name: InstanceOf[str]
    id: str = Field(pattern=r"^[0-9a-f]{64}$")
    stats: dict[str, Any]


def read_created(stdout: bytes) -> Archive | None:
    """Read the output of `borg create --json`; None when it reports no archive."""
    try:
        created = _Created.model_validate(json.loads(stdout[stdout.index(b"{") :])["archive"])
    except (ValueError, RecursionError, KeyError):
        return None
    return Archive(clean(created.name), created.id, *_sizes(created.stats))


# The target's text need not be Unicode.
_AnyText = InstanceOf[str]
_AnyNumber = Annotated[int, Field(strict=True, gt=-_MOST_NUMBER, lt=_MOST_NUMBER)]
# Borg prints the number of an owner without a name.
_Owner = Annotated[_AnyText | Annotated[int, Field(strict=True)], AfterValidator(str)]


class _ItemLine(BaseModel):
    mode: Annotated[_AnyText, Field(min_length=1)]
    user: _Owner
    group: _Owner
    uid: _AnyNumber
    gid: _AnyNumber
    size: _AnyNumber
    modified: _AnyText = Field(alias="isomtime")
    path: _AnyText
    link: _AnyText = Field(alias="source")
    healthy: StrictBool
    sha256: _AnyText = ""


def read_item(line: bytes) -> Item | None:
    """Read one line of `borg list --json-lines` in our format, uncleaned for comparisons; None when it is no item."""
    try:
        read = _ItemLine.model_validate(json.loads(line))
    except (ValueError, RecursionError):
        return None
    return Item(kind=read.mode[0], **vars(read))
