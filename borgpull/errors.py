"""Problems, and the errors that carry them. They say what happened and what to do, and never hold a secret.

This is the lowest room: it imports nothing of ours.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self


class Party(str):
    """A party as messages print it, "target web1"; `code` is its name in JSON, "T web1", `name` in a table, "web1"."""

    code: str
    name: str

    def __new__(cls, printed: str, code: str, name: str = "") -> Self:
        party = super().__new__(cls, printed)
        party.code, party.name = code, name or printed
        return party


CONTROLLER: str = Party("controller", "C")
BACKUP_SERVER: str = Party("backup server", "B")


def target_party(name: str) -> Party:
    return Party(f"target {name}", f"T {name}", name)


def program_party(program: str, party: str) -> Party:
    """Return a program of ours at work for `party`: "borg on the backup server", in JSON "borg B"."""
    return Party(f"{program} {'to' if program == 'ssh' else 'on'} {the(party)}", f"{program} {party_code(party)}")


def party_code(party: str) -> str:
    """Return the name of a party in JSON; "config" and "command line" have no other name there."""
    return party.code if isinstance(party, Party) else party


def the(party: str) -> str:
    """Return a party as it reads within a sentence: "the backup server", "target web1"."""
    return f"the {party}" if party in (CONTROLLER, BACKUP_SERVER) else party


def plural(count: int, one: str, many: str = "") -> str:
    """Return "1 target", "2 targets"; `many` where an s does not do."""
    return f"{count} {one}" if count == 1 else f"{count} {many or f'{one}s'}"


def first_few(names: Sequence[str], most: int = 5) -> str:
    """Return at most so many of several names, and how many more there are: "web1, web2 and 3 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def command_line(*words: str) -> str:
    """Return a borgpull command for a message: quoted for the shell, between backticks.

    `command_line("rollback", "Büro 3")` is "`borgpull rollback 'Büro 3'`".
    """
    return f"`{shlex.join(('borgpull', *words))}`"


@dataclass(frozen=True)
class Problem:
    """What failed, or should be fixed.

    `party` is whose problem it is, `cause` is one line in the operator's terms, `hint` is the next command to type or
    the line to change. `findings` are the traces of tampering, in words.
    """

    party: str
    cause: str
    hint: str = ""
    findings: tuple[str, ...] = ()


class Failure(Exception):
    """A problem that ends what was attempted.

    `detail` is what the failing program printed and no event has passed on yet, for `-v`.
    `transient` says that the same attempt may succeed later, without a fix.
    """

    def __init__(self, party: str, cause: str, *, hint: str, detail: str = "", transient: bool = False) -> None:
        super().__init__(f"{party}: {cause}")
        self.party, self.cause, self.hint = party, cause, hint
        self.findings: tuple[str, ...] = ()
        self.detail = detail
        self.transient = transient

    def of(self, party: str) -> Failure:
        """Return the same failure of another party, for several that fail together; the controller's as it is."""
        if self.party == CONTROLLER:
            return self
        return Failure(party, self.cause, hint=self.hint, detail=self.detail, transient=self.transient)

    @property
    def problem(self) -> Problem:
        return Problem(self.party, self.cause, self.hint, self.findings)


class AtWork(Failure):
    """Another run of borgpull, which lives, is at work on the repository. Nothing was done, and nothing is wrong."""

    def __init__(self, party: str, holder: str) -> None:
        cause = f"another run of borgpull is at work on this repository already: {holder}"
        super().__init__(party, cause, hint="nothing was changed; `borgpull status` shows when it has ended")


class Absent(Failure):
    """A target that may be absent could not be reached. Nothing is wrong: its last good archive is young enough."""


class NoSpace(Failure):
    """The backup server has no room; `limit` is what is used up: its "disk", a "quota", or the "share" of a session."""

    def __init__(self, cause: str, *, hint: str, limit: str) -> None:
        super().__init__(BACKUP_SERVER, cause, hint=hint)
        self.limit = limit


@dataclass(frozen=True)
class ConfigProblem(Problem):
    """What is wrong at one `place` of the config, such as ("Servers", 2, "Name"); no place when it is not TOML."""

    party: str = field(default="config", init=False)
    place: tuple[str | int, ...] = ()


class ConfigError(Failure):
    """The config is wrong; `problems` are all of its problems."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        super().__init__("config", "; ".join(problem.cause for problem in problems), hint="fix these and run it again")
        self.problems = problems


class UsageError(Failure):
    """The command line is wrong."""

    def __init__(self, cause: str, *, hint: str = "see `borgpull --help`") -> None:
        super().__init__("command line", cause, hint=hint)


class TamperedError(Failure):
    """A repository is not what an honest session leaves behind, or that cannot be verified."""

    def __init__(
        self, party: str, cause: str, *, findings: tuple[str, ...], hint: str, unverifiable: bool = False
    ) -> None:
        super().__init__(party, cause, hint=hint)
        self.findings = findings
        self.unverifiable = unverifiable


_OR_FEWER = "or lower Jobs"
# What the system refuses: the cause, what to do, and whether another attempt may succeed without that.
_REFUSED = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), ("there is no space left", "`df -h` shows where; free some", False)),
    **dict.fromkeys((errno.EACCES, errno.EPERM), ("permission denied", "let this user in there", False)),
    errno.EROFS: ("the file system is read-only", "check the kernel log (dmesg): a damaged disk becomes that", False),
    errno.EIO: ("the disk failed", "check the kernel log (dmesg), and the disk", False),
    errno.ENOENT: ("there is no such file or folder", "find out what removed it", False),
    errno.EMFILE: ("this run has no file descriptors left", f"raise LimitNOFILE of its unit, {_OR_FEWER}", True),
    errno.ENFILE: ("this machine has no file descriptors left", "raise `sysctl fs.file-max`", True),
    errno.EAGAIN: ("it could not start another process", f"raise TasksMax of its unit, `ulimit -u`, {_OR_FEWER}", True),
    errno.ENOMEM: ("there is no memory left", f"add memory, {_OR_FEWER}", True),
}


def failure_of(error: Exception) -> Failure:
    """Return `error` as a Failure: what this machine refuses by its reason, any other as a defect of borgpull.

    A defect is named by its type and line alone.
    """
    if isinstance(error, Failure):
        return error
    if isinstance(error, ExceptionGroup):
        return failure_of(error.exceptions[0])
    if isinstance(error, OSError) and error.errno in _REFUSED:
        cause, hint, transient = _REFUSED[error.errno]
        return Failure(CONTROLLER, cause + _named(error.filename), hint=hint, transient=transient)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"at {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "?"
    if isinstance(error, OSError) and error.errno:
        cause = f"{os.strerror(error.errno)}{_named(error.filename)}, {where}"
        return Failure(CONTROLLER, cause, hint="check the kernel log (dmesg); if it is silent, report this as a defect")
    # The text of an unforeseen exception may hold anything, a secret included.
    cause = f"internal error: {type(error).__name__} {where}"
    return Failure(CONTROLLER, cause, hint="please report this as a defect")


def _named(file: object) -> str:
    """Return the file that an OSError is about, in its words; nothing when it is about none, or about a descriptor."""
    return f": {os.fsdecode(file)}" if isinstance(file, str | bytes) else ""
