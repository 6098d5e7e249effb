"""Borg's exit status and message ids, turned into the party that failed, the cause, and what to do.

With 1.2 the exit status alone says nothing (2 is every error): the message id decides, compared by its last part only,
because 1.2 and 1.4 spell the first part differently. Public facts: Borg's docs/internals/frontends.rst.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import BACKUP_SERVER, CONTROLLER, Failure, NoSpace
from .output import Message, Messages

MISSING_REPOSITORY = "DoesNotExist"
# What borg says of what a `borg init` left that was cut off, as it does of a repository that is damaged (1.2, 1.4).
HALF_MADE = frozenset({"InvalidRepository", "InvalidRepositoryConfig", "NoManifestError"})
# What the check of borg 1.4 says of an archive without a proof of who wrote it.
UNPROVEN = "Archive TAM authentication issue"


@dataclass(frozen=True)
class _Sign:
    cause: str
    hint: str
    party: str = ""
    transient: bool = False
    # It says something of the repository itself: of its contents, its key or its past.
    damning: bool = False
    # What of B's is used up, as in NoSpace.
    limit: str = ""


_LOST = _Sign(
    "borg lost the connection to the repository in the middle",
    "the next run goes on from the last checkpoint",
    transient=True,
)

_INCOMPLETE = _Sign(
    "its config, its list of archives, or what borg records of it, is damaged or gone",
    "`borgpull rollback NAME` puts the last verified state back",
    BACKUP_SERVER,
    damning=True,
)

_SIGNS: Mapping[str, _Sign] = {
    "PassphraseWrong": _Sign(
        "the passphrase does not open the repository", "correct BorgTarget.Passphrase of this target"
    ),
    "KeyfileInvalidError": _Sign(
        "the repository's key is not a key any more",
        "put it back from a key export, see `borg key import`",
        BACKUP_SERVER,
        damning=True,
    ),
    "LockTimeout": _Sign(
        "the repository is locked by another borg",
        "wait for it to end; only when none runs anywhere: `borg break-lock` on B",
        BACKUP_SERVER,
        transient=True,
    ),
    "CacheLockTimeout": _Sign(
        "borg's own cache of this repository is locked by another borg there",
        "wait for it to end; only when none runs there: remove lock.exclusive and lock.roster from the folder of this "
        "repository's id (`borg config REPOSITORY id`) below ~/.cache/borg on T, below --cache-dir on C",
        transient=True,
    ),
    "DoesNotExist": _Sign("there is no repository", "check RootDir and SubDir", BACKUP_SERVER, damning=True),
    "InvalidRepository": _Sign(
        "what lies at the repository's path is not a borg repository",
        "look at that folder on B; an empty one can be removed, then borgpull makes a repository there",
        BACKUP_SERVER,
        damning=True,
    ),
    "InvalidRepositoryConfig": _INCOMPLETE,
    "NoManifestError": _INCOMPLETE,
    "PathAlreadyExists": _Sign(
        "the repository's path is a folder with other files in it", "choose another SubDir", BACKUP_SERVER
    ),
    "PathNotAllowed": _Sign(
        "borg serve refuses the path of this repository",
        "RootDir must be the real path, as `realpath` prints it on B, without symbolic links",
        BACKUP_SERVER,
    ),
    # One segment (500 MiB) and one object (20 MiB) must fit, from the tenth segment on (repository.py of 1.2 and 1.4).
    "InsufficientFreeSpaceError": _Sign(
        "its disk is full",
        "free space below RootDir on B; borg prunes and compacts only where 550 MB or more are free",
        BACKUP_SERVER,
        limit="disk",
    ),
    "StorageQuotaExceeded": _Sign(
        "the storage quota of this repository is reached",
        "raise its Quota, or keep less (PruneSetting); set on B itself: `borg config REPOSITORY storage_quota SIZE` "
        "and `borgpull accept`",
        BACKUP_SERVER,
        limit="quota",
    ),
    "RepositoryAccessAborted": _Sign(
        "borg knows this repository under another place and refuses it",
        "if RootDir, SubDir or the repositories were moved on purpose: `borgpull accept --moved NAME`; else find out "
        "who did it",
    ),
    "RepositoryReplay": _Sign(
        "borg has seen a newer state of this repository than the one B shows: it was put back, or this is an attack",
        "after a rollback: wait until the clock of that host is past its newest archive, or remove there "
        "~/.cache/borg and ~/.config/borg/security/*/manifest-timestamp; if nobody put it back, find out who did",
        damning=True,
    ),
    "CacheInitAbortedError": _Sign(
        "the repository is not encrypted although borgpull makes only encrypted ones",
        "find out who replaced it",
        BACKUP_SERVER,
        damning=True,
    ),
    "IntegrityError": _Sign(
        "the repository is damaged",
        "look at its disk; `borgpull borg NAME -- check` says what is lost, `borgpull borg --full-access NAME -- check "
        "--repair` gives that up",
        BACKUP_SERVER,
        damning=True,
    ),
    "ArchiveTAMInvalid": _Sign(
        "an archive has no proof of who wrote it: borg 1.2.4 leaves none when it renames or recreates one",
        "if that was done: `borgpull accept --archives-tam NAME` has borg take it as authentic; `borg check --repair` "
        "would delete it",
        BACKUP_SERVER,
    ),
    "TAMInvalid": _Sign(
        "the repository's manifest is not authentic",
        "it was changed by somebody without the key",
        BACKUP_SERVER,
        damning=True,
    ),
    "TAMRequiredError": _Sign(
        "the repository's manifest is not authenticated",
        "it was written by a very old borg or by an attacker",
        BACKUP_SERVER,
        damning=True,
    ),
    "UnexpectedRPCDataFormatFromServer": _Sign(
        "its shell prints something before borg can answer",
        "let ~/.bashrc and the like of that account print nothing where there is no terminal: `[ -t 1 ] || return`",
        BACKUP_SERVER,
    ),
    # A borg that asks for it says only that: it asks again after a wrong one.
    "NoPassphraseFailure": _Sign(
        "the passphrase does not open the repository, or did not get to borg",
        "correct BorgTarget.Passphrase of this target; else run it again with -v",
    ),
    "ConnectionClosedWithHint": _LOST,
    "ConnectionClosed": _LOST,
    "ConnectionBrokenWithHint": _LOST,
}

# With 128 and a number borg, and a shell, end on a signal.
_SIGNALLED = 128

_OLD = _Sign(
    "its borg is too old (or a borg 2): it does not know an option that borg 1.2 and 1.4 know",
    "install borg 1.2 or 1.4",
)

_NO_TEMPORARY = _Sign(
    "there is no folder for temporary files that borg may write to",
    "set TMPDIR to one there, or make /tmp writable; in a read-only container: `--tmpfs /tmp`",
)

# Without message ids: tracebacks and plain text of 1.2, shells, the system. First what it means on B, then what it
# means where the borg client runs, on T or on C: that one writes to its cache alone.
_TEXTS: Mapping[str, tuple[_Sign, _Sign]] = {
    "No space left on device": (
        _SIGNS["InsufficientFreeSpaceError"],
        _Sign("its disk is full", "free space there: borg keeps a cache, in ~/.cache/borg on T, in --cache-dir on C"),
    ),
    "Disk quota exceeded": (
        _Sign("the disk quota of its account is used up", "raise it on B, or free space below RootDir", limit="disk"),
        _Sign("the disk quota of its account is used up", "raise it there, or free space"),
    ),
    "Read-only file system": (
        _Sign("its file system is read-only", "mount RootDir writable on B; its kernel log says why it is not"),
        _Sign("its file system is read-only", "mount ~/.cache and ~/.config there writable"),
    ),
    "Permission denied": (
        _Sign("a file or folder may not be written", "check who owns the repository below RootDir on B"),
        _Sign("a file or folder may not be written", "check who owns ~/.cache/borg and ~/.config/borg there"),
    ),
    "No usable temporary directory found": (_NO_TEMPORARY, _NO_TEMPORARY),
    # A serve that cannot read its `integrity.N` dies of this (1.2.4 and 1.4.5).
    "msgpack.PackException": (_INCOMPLETE, _INCOMPLETE),
    UNPROVEN: (_SIGNS["ArchiveTAMInvalid"], _SIGNS["ArchiveTAMInvalid"]),
    "unrecognized arguments": (_OLD, _OLD),
    "invalid choice": (_OLD, _OLD),
    "BrokenPipeError": (_LOST, _LOST),
    # What a borg says whose session was ended because its serve had gone.
    "Got Ctrl-C / SIGINT": (_LOST, _LOST),
    "Connection closed by remote host": (_LOST, _LOST),
}


# What the system of a host says when it lacks something for a moment, or one of its disks fails.
_SYSTEM = {
    text: _Sign(
        f"its system failed borg: {text}",
        "look there for memory, limits on processes and files (TasksMax), and errors of disks",
        transient=True,
    )
    for text in (
        *("Input/output error", "MemoryError", "Cannot allocate memory", "Too many open files"),
        *("Resource temporarily unavailable", "Stale file handle", "Transport endpoint is not connected"),
    )
}


def explain(party: str, command: str, status: int, said: Messages, *, server: Messages | None = None) -> Failure:
    """Say why `borg COMMAND` failed with exit status `status`; `server` is what its `borg serve` on B said.

    What the serve on B says is preferred where it names a cause: it saw it.
    """
    found = _find(party, said, server)
    if found is None:
        cause = f"borg {command} failed{_last_words(status, said)}"
        hint = "run it again with -v to see all that borg said"
        return Failure(party, cause, hint=hint, transient=not 0 <= status < _SIGNALLED)
    who, sign = found
    if sign.limit:
        return NoSpace(sign.cause, hint=sign.hint, limit=sign.limit)
    hint = sign.hint + (borg_setting(who) if sign is _OLD else "")
    return Failure(who, sign.cause, hint=hint, transient=sign.transient)


def speaks_against_repository(status: int, said: Messages, *, server: Messages | None = None) -> bool:
    """Tell whether a borg that failed so found something wrong with the repository itself.

    It did not when it was killed, when it lacked a setting, a right, space or the link, or says what nobody knows.
    """
    found = _find("", said, server)
    return 0 <= status < _SIGNALLED and found is not None and found[1].damning


def is_unknown(status: int, said: Messages, *, server: Messages | None = None) -> bool:
    """Tell whether a borg failed with an error of its own that is not known here, as when its cache is damaged."""
    own = not any(message.served for message in said.errors)
    return own and 1 < status < _SIGNALLED and _find("", said, server) is None


def system_of_server(said: str) -> tuple[str, str] | None:
    """Return the cause and the hint for what the system of B said, None where it says nothing known."""
    return next(((sign.cause, sign.hint) for text, (sign, _) in _TEXTS.items() if text in said), None)


def _find(party: str, said: Messages, server: Messages | None) -> tuple[str, _Sign] | None:
    served = [(BACKUP_SERVER, message) for message in _telling(server)] if server else []
    own = [(BACKUP_SERVER if message.served else party, message) for message in _telling(said)]
    found = [*_by_kind(party, [*said.kinds(), *(server.kinds() if server else ())]), *_by_text([*served, *own])]
    # A lost connection is often only the consequence of what the serve on B died of.
    return next((each for each in found if each[1] is not _LOST), found[0] if found else None)


def _telling(said: Messages) -> list[Message]:
    return [*said.errors, *(message for message in said.others if message.level == "PLAIN")]


def _by_kind(party: str, kinds: Iterable[str]) -> Iterator[tuple[str, _Sign]]:
    for kind in kinds:
        if kind in _SIGNS:
            yield _SIGNS[kind].party or party, _SIGNS[kind]


def _by_text(said: Iterable[tuple[str, Message]]) -> Iterator[tuple[str, _Sign]]:
    for who, message in said:
        for text, (on_server, elsewhere) in _TEXTS.items():
            if text in message.text:
                yield who, on_server if who == BACKUP_SERVER else elsewhere
        yield from ((who, sign) for text, sign in _SYSTEM.items() if text in message.text)


def _last_words(status: int, said: Messages) -> str:
    # Borg's headline for an error that it did not foresee; the next message is that error.
    errors = [message for message in said.errors if message.text != "Local Exception"]
    messages: list[Message] = errors[:1] or [m for m in said.others if m.level == "PLAIN"][-1:]
    how = f" (exit {status})" if status >= 0 else f" (killed by signal {-status})"
    return how + (f": {messages[0].text}" if messages else "")


def named(kind: str, party: str) -> Failure:
    """Return what is said of the message id `kind`, one of those known here, when `party` is at fault."""
    sign = _SIGNS[kind]
    return Failure(sign.party or party, sign.cause, hint=sign.hint, transient=sign.transient)


def missing_borg(where: str, borg: str) -> Failure:
    return Failure(where, f"borg is not installed there ({borg})", hint=f"apt install borgbackup{borg_setting(where)}")


def borg_setting(where: str) -> str:
    """Return the words of a hint that name where the config tells another borg on C, B or T; C's cannot be told."""
    return {CONTROLLER: "", BACKUP_SERVER: ", or set BorgPath in [Borg.Server]"}.get(
        where, ", or set BorgPath of this target"
    )
