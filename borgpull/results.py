"""What commands answer, as frozen records. The rooms that make them do not know how they are printed.

Their JSON is made of them, and so are docs/*.schema.json (`make docs`): a promise. A change that breaks a reader raises
`schema`. Times are unix seconds (UTC), in JSON RFC 3339; sizes are bytes, durations seconds; what is unknown is None,
never zero. Nothing is checked when a record is made: a name from elsewhere may hold what is no Unicode.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, TypeAdapter, WithJsonSchema, computed_field, model_serializer
from pydantic.config import JsonDict
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from .errors import Problem, party_code
from .untrusted import shown


def stamp(at: float, *, millis: bool = False) -> str:
    """Return the unix time `at` as RFC 3339 in UTC: "2026-11-22T22:40:00Z"."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds" if millis else "seconds")
    return text.replace("+00:00", "Z")


_STAMP = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
Time = Annotated[float, PlainSerializer(lambda at: stamp(at, millis=True), return_type=_STAMP)]
Clean = Annotated[str, PlainSerializer(shown, return_type=str)]
_Party = Annotated[str, PlainSerializer(lambda party: shown(party_code(party)), return_type=str)]
Count = Annotated[int, Field(ge=0)]
_Link = Annotated[str, PlainSerializer(lambda link: link or None, return_type=str | None)]
_ROWS: JsonDict = {
    "enum": [
        *("python", "borgpull", "ssh", "borg", "socat", "keys", "cache", "core dumps", "swap", "descriptors"),
        *("connect", "shell"),
        *("serve", "root", "path", "space", "hard links", "tmp", "transport", "sources", "clock", "ledger"),
    ]
}
_PHASES: JsonDict = {"enum": ["clean", "open", "own", "closed", "none", "unreadable"]}
_ABOUT_LEDGER = (
    "open: a session of the target is or was under way; own: the controller's own prune and compact; closed: the "
    "repository is closed until the operator acts."
)
_ABOUT_OTHERS = (
    "The first thousand repositories below RootDir that belong to no target of the config; none where only some "
    "targets were asked for."
)
_ABOUT_NEXT_PRUNE = (
    "From when a run prunes, earlier if room gets short; null while the target is held, and with `PruneEvery` never."
)
_ABOUT_ASIDE = "Why it counts as no backup, `set aside`, `odd` or `unjudged` first; empty when it counts."
_BOOLEAN = WithJsonSchema({"type": "boolean"})


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def dumps(record: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - any of these
    """Return a record as JSON; what is not ASCII is escaped, so nothing in it can move a cursor."""
    return json.dumps(_adapter(type(record)).dump_python(record, by_alias=True), indent=indent)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a command prints on stdout with --json."""

    schema: Annotated[Literal[1], Field(description="Raised by a change that breaks readers.")] = 1

    @property
    def text(self) -> str:
        return dumps(self, indent=2)


class Mark(StrEnum):
    """The result of a check.

    note: it stops nothing, or the result is unknown. failed: it would stop a backup. unseen: something else prevented
    the check.
    """

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"
    UNSEEN = "unseen"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check."""

    party: Annotated[_Party, Field(description='Whose it is: "C", "B", "T NAME".')]
    what: Annotated[str, Field(description="What was checked; the same for each target.", json_schema_extra=_ROWS)]
    mark: Mark
    detail: Annotated[Clean, Field(description="What was found, or the cause.")] = ""
    hint: Annotated[Clean, Field(description="The line to change or the command to type; empty without one.")] = ""


@dataclass(frozen=True, kw_only=True)
class Examined(Report):
    """What `borgpull doctor --json` prints on stdout.

    The findings are those of the controller first, then of the backup server, then of the targets in the order of the
    config; only the controller's when it lacks what it needs to go on.
    """

    findings: tuple[Finding, ...]

    @computed_field(description="The worst of all findings: failed when something would stop a backup (exit code 2).")
    @property
    def outcome(self) -> Literal[Mark.OK, Mark.WARNING, Mark.FAILED]:
        marks = {finding.mark for finding in self.findings}
        return Mark.FAILED if Mark.FAILED in marks else Mark.WARNING if Mark.WARNING in marks else Mark.OK


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a key of the config is for one target."""

    key: Clean
    value: Annotated[Clean, Field(description="As in TOML; a secret is not shown.")]
    source: Annotated[Clean, Field(description="The table of the config that sets it, or `default`.")]


@dataclass(frozen=True, kw_only=True)
class Checked(Report):
    """What `borgpull config check --json` prints on stdout."""

    server: Annotated[Clean, Field(description="USER@HOST:PORT of the backup server; empty when it is wrong.")] = ""
    targets: Annotated[tuple[Clean, ...], Field(description="Their names, in the order of the config.")] = ()
    settings: Annotated[tuple[Setting, ...], Field(description="What holds for the target of --show.")] = ()
    problems: Annotated[tuple[Clean, ...], Field(description="All that is wrong, with its place and what to do.")] = ()

    @computed_field(description="Whether a run would take this config (exit code 0, otherwise 4).")
    @property
    def right(self) -> bool:
        return not self.problems


class State(StrEnum):
    """The state of a target's backups; of several the worst.

    stale: the last good archive is too old. interrupted: a run ended in the middle, and the next one verifies what it
    left. held: an archive is odd, and nothing is pruned until `release`, or until what was missing is there again.
    failing: the last run failed. changed: the repository is not in the state that was verified, and the next run judges
    it. These are warnings. never (there is no good archive) and unknown (the backup server did not answer) are unknown,
    tampered and unverifiable are critical.
    """

    OK = "ok"
    STALE = "stale"
    INTERRUPTED = "interrupted"
    HELD = "held"
    FAILING = "failing"
    CHANGED = "changed"
    NEVER = "never"
    UNKNOWN = "unknown"
    TAMPERED = "tampered"
    UNVERIFIABLE = "unverifiable"


class Level(StrEnum):
    """What a monitor makes of a state, the mildest first; the exit codes are 0, 1, 3 and 2."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"


_LEVELS = {
    State.OK: Level.OK,
    **dict.fromkeys((State.NEVER, State.UNKNOWN), Level.UNKNOWN),
    **dict.fromkeys((State.TAMPERED, State.UNVERIFIABLE), Level.CRITICAL),
}


@dataclass(frozen=True, kw_only=True)
class GoodArchive:
    """A good archive, `started` at this time, and how old it is now."""

    name: Clean
    started: Annotated[Time, Field(serialization_alias="start")]
    age: Annotated[float, Field(exclude=True)]


@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """The outcome of a run, or an operator's decision, and from which controller."""

    at: Time
    what: Annotated[Clean, Field(description="`run`, or the command by which an operator decided.")]
    outcome: Annotated[Clean, Field(description="A run's, as in the report; empty of a decision.")]
    cause: Annotated[Clean, Field(description="Why the run failed, or what was decided.")]
    controller: Annotated[Clean, Field(description="The host that borgpull ran on.")]
    created: Annotated[bool, Field(exclude=True)] = False
    hint: Annotated[str, Field(exclude=True)] = ""


@dataclass(frozen=True, kw_only=True)
class TargetStatus:
    """The state of the backups of one target, by the ledger on the backup server."""

    target: Annotated[Clean, Field(serialization_alias="name")]
    state: State
    ledger: Annotated[str, Field(description=_ABOUT_LEDGER, json_schema_extra=_PHASES)] = "none"
    at_work: Annotated[Clean, Field(description="Who holds the repository now; empty when it is free.")] = ""
    last: Annotated[
        GoodArchive | None, Field(serialization_alias="last_archive", description="The newest good one.")
    ] = None
    archives: Annotated[Count | None, Field(description="How many archives are good.")] = None
    size: Annotated[Count | None, Field(description="The space that the repository takes now.")] = None
    grace: Annotated[Count | None, Field(description="How many older states of it are kept (Grace).")] = None
    grace_size: Annotated[Count | None, Field(description="The space that they take besides.")] = None
    growth: Annotated[int | None, Field(description="That, less what it was before the target's last session.")] = None
    free: Annotated[Count | None, Field(description="What is free of the file system that it is on.")] = None
    checked: Annotated[Time | None, Field(description="When borg check last passed; null for never.")] = None
    next_prune: Annotated[Time | None, Field(description=_ABOUT_NEXT_PRUNE)] = None
    to_prune: Annotated[Count | None, Field(description="How many archives it would remove by now.")] = None
    expected: Annotated[Time | None, Field(description="Until then nothing odd is held: `expect`.")] = None
    cause: Clean = ""
    findings: Annotated[
        tuple[Clean, ...],
        Field(serialization_alias="rules", description="What was found to be tampered with, in words."),
    ] = ()
    hint: Annotated[Clean, Field(description="The next command or the line to change; empty without one.")] = ""
    history: Annotated[tuple[PastEvent, ...], Field(description="Runs and decisions, the newest last.")] = ()

    @computed_field
    @property
    def level(self) -> Level:
        """Return what a monitor makes of it."""
        return _LEVELS.get(self.state, Level.WARNING)

    @computed_field(description="How old that archive is.")
    @property
    def age(self) -> Annotated[float, Field(ge=0)] | None:
        return round(self.last.age, 3) if self.last else None


@dataclass(frozen=True, kw_only=True)
class Trouble(Problem):
    """Why the backup server could not be reached, or a target's archives not be read."""

    party: _Party
    cause: Clean
    hint: Clean
    findings: Annotated[tuple[str, ...], Field(exclude=True)] = ()


@dataclass(frozen=True, kw_only=True)
class StatusReport(Report):
    """What `borgpull status --json` prints on stdout. Sizes are bytes, ages seconds. What is unknown is null.

    The targets are in the order of the config; none when the backup server could not be reached.
    """

    at: Time
    max_age: Annotated[int, Field(ge=1, description="How old the last good archive may be.")]
    targets: tuple[TargetStatus, ...] = ()
    others: Annotated[tuple[Clean, ...], Field(description=_ABOUT_OTHERS)] = ()
    error: Trouble | None = None

    @computed_field(description="The worst of all targets; unknown when the backup server could not be reached.")
    @property
    def level(self) -> Level:
        order = list(Level)
        worst = max((target.level for target in self.targets), key=order.index, default=Level.OK)
        return Level.UNKNOWN if self.error else worst


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A file, folder, link or device in an archive, its text as it is: to compare it, or to look for it.

    `kind` is its letter as `ls -l` has it. `sha256` is of plain files alone, and empty where it was not asked for.
    """

    kind: Annotated[str, Field(exclude=True)]
    path: Annotated[str, Field(description="Without a slash at its beginning.")]
    mode: Annotated[str, Field(description="As `ls -l` has it; it begins with h for a hard link to an earlier file.")]
    user: str
    group: str
    uid: int
    gid: int
    size: int
    modified: Annotated[str, Field(description="ISO 8601 in UTC, without a zone.")]
    link: Annotated[_Link, Field(description="What a symbolic or a hard link leads to.")]
    healthy: Annotated[bool, Field(description="False when `borg check --repair` found that parts of it are gone.")]
    sha256: Annotated[str, Field(exclude=True)] = ""


@dataclass(frozen=True, kw_only=True)
class ListedArchive:
    """An archive as the manifest has it, its name as it is."""

    name: str
    archive_id: Annotated[str, Field(serialization_alias="id", pattern="^[0-9a-f]{64}$")]
    start: Time
    verified: Annotated[bool | None, Field(description="Whether a run has verified it; null when none has any.")]
    unfinished: Annotated[bool, Field(description="It is a checkpoint, half an archive.")]
    aside: Annotated[Clean, Field(serialization_alias="set_aside", description=_ABOUT_ASIDE)] = ""
    state: Annotated[str, Field(exclude=True)] = ""
    kept: Annotated[bool | None, _BOOLEAN, Field(description="With --why: whether the next prune keeps it.")] = None
    rule: Annotated[Clean, Field(description="With --why: the rule that keeps it, or why it goes.")] = ""

    @model_serializer(mode="wrap")
    def _as_asked(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if self.kept is not None or key not in {"kept", "rule"}}


@dataclass(frozen=True, kw_only=True)
class Closed(Problem):
    """Why a repository is closed, in words: it was tampered with, or could not be verified.

    What is read from it may be an attacker's.
    """

    party: Annotated[str, Field(exclude=True)]
    cause: Clean
    hint: Annotated[str, Field(exclude=True)]
    findings: Annotated[tuple[Clean, ...], Field(serialization_alias="rules")] = ()


@dataclass(frozen=True, kw_only=True)
class ArchiveList(Report):
    """The archives of a target, the oldest first."""

    target: str
    closed: Closed | None
    archives: tuple[ListedArchive, ...]


@dataclass(frozen=True, kw_only=True)
class FileList(Report):
    """The files of an archive, in its order. They come as they are read: there may be millions."""

    target: str
    closed: Closed | None
    archive: ListedArchive
    files: tuple[Item, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file in an archive of a target."""

    target: str
    archive: ListedArchive
    file: Item


@dataclass(frozen=True, kw_only=True)
class FoundFiles(Report):
    """What `borgpull find --json` prints on stdout, each file as it is found: of a target the newest archive first.

    Sizes are bytes. Names are as they are in the archive, with all that is not ASCII escaped: they are untrusted text.
    """

    pattern: Annotated[str, Field(description="As borg has it.")]
    found: tuple[Found, ...] = ()
    read: Annotated[Count, Field(description="How many archives were read.")] = 0
    complete: Annotated[bool, Field(description="False when it was interrupted, or a target could not be read.")] = True
    problems: Annotated[tuple[Trouble, ...], Field(description="What could not be read, and why.")] = ()


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What came of reading restored items again: how many are as the archive says, and in words what is not."""

    same: Count = 0
    different: Count = 0
    unsure: Annotated[Count, Field(description="How many could not be compared.")] = 0
    differences: Annotated[tuple[Clean, ...], Field(description="The first of them, in words.")] = ()


@dataclass(frozen=True, kw_only=True)
class Restored(Report):
    """What `borgpull restore --json` prints on stdout when it is done. Sizes are bytes."""

    target: str
    archive: ListedArchive
    party: Annotated[_Party, Field(serialization_alias="on", description="Where: C (the controller), or T NAME.")]
    folder: str
    items: Annotated[Count, Field(description="Files, folders, links and devices that match.")]
    size: Count
    dry_run: Annotated[bool, Field(description="Nothing was written.")]
    notes: Annotated[tuple[Clean, ...], Field(description="What could not be kept, such as owners.")] = ()
    warnings: Annotated[tuple[Clean, ...], Field(description="The first warnings of borg extract.")] = ()
    warned: Annotated[Count, Field(description="How many warnings there were.")] = 0
    compared: Annotated[Compared | None, Field(description="What came of --verify; null without it.")] = None

    @property
    def good(self) -> bool:
        """True when all of it is there, as far as was checked."""
        return not self.warned and (self.compared is None or not self.compared.different)


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What came of a drill on one target. Sizes are bytes."""

    target: Annotated[Clean, Field(serialization_alias="name")]
    archive: ListedArchive | None = None
    picked: Count = 0
    picked_size: Count = 0
    files: Annotated[Count, Field(description="How many files the archive has.")] = 0
    size: Annotated[Count, Field(description="How large they are.")] = 0
    broken: Annotated[Count, Field(description="Files of which `borg check --repair` found that parts are gone.")] = 0
    compared: Compared | None = None
    closed: Closed | None = None
    party: Annotated[_Party, Field(description="Who failed, when nothing could be read; else empty.")] = ""
    cause: Clean = ""
    hint: Clean = ""

    @computed_field(description="All that was picked came out as it went in.")
    @property
    def good(self) -> bool:
        read_back = self.compared is not None and self.compared.same == self.picked
        return read_back and not self.broken and not self.cause


@dataclass(frozen=True, kw_only=True)
class Drills(Report):
    """What `borgpull drill --json` prints on stdout; the targets are in the order of the config."""

    seed: Annotated[Count, Field(description="`--seed` of it picks the same files again.")]
    targets: tuple[Drilled, ...]
