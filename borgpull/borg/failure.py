"""Turns borg's exit status and message ids into the party that failed, the cause, and what to do.

With 1.2 the exit status is 2 for every error: the message id decides, compared by its last part only, because 1.2 and
1.4 spell the first part differently. See docs/internals/frontends.rst of Borg.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import BACKUP_SERVER, CONTROLLER, Failure, NoSpace
from ..untrusted import last_telling
from .locks import LOCKED
from .output import Message, Messages

MISSING_REPOSITORY = "DoesNotExist"
# What borg says of a repository that a killed `borg init` left, and of a damaged one (1.2, 1.4).
HALF_MADE = frozenset({"InvalidRepository", "InvalidRepositoryConfig", "NoManifestError"})
# What the check of borg 1.4 says of an archive without a proof of who wrote it.
UNPROVEN = "Archive TAM authentication issue"
# What a `borg create` says that was interrupted, and has written its checkpoint (1.2.4, 1.4.5).
STOPPED = "Got Ctrl-C / SIGINT"


@dataclass(frozen=True)
class _Sign:
    cause: str
    hint: str
    party: str = ""
    transient: bool = False
    # It concerns the repository itself: its contents, its key or its past.
    damning: bool = False
    # What is used up on the backup server, as in NoSpace.
    limit: str = ""


def _damage(cause: str, hint: str) -> _Sign:
    """Return a sign that the repository itself is damaged, or was changed."""
    return _Sign(cause, hint, BACKUP_SERVER, damning=True)


_LOST = _Sign(
    "borg lost the connection to the repository", "the next run resumes from the last checkpoint", transient=True
)

_INCOMPLETE = _damage(
    "its config, its list of archives, or borg's own record of it is damaged or missing",
    "`borgpull rollback NAME` restores the last verified state",
)

_SIGNS: Mapping[str, _Sign] = {
    "PassphraseWrong": _Sign(
        "the passphrase does not open the repository", "correct BorgTarget.Passphrase of this target"
    ),
    "KeyfileInvalidError": _damage(
        "the repository key is invalid", "restore it from a key export with `borg key import`"
    ),
    "LockTimeout": _Sign(
        "the repository is locked by another borg",
        "wait for it to end; only when no borg works on it any more, on no host: `borgpull borg NAME -- break-lock`",
        BACKUP_SERVER,
        transient=True,
    ),
    "CacheLockTimeout": _Sign(
        "borg's cache of this repository is locked by another borg there",
        "wait for it to end; only when none runs there, remove on that host lock.exclusive and lock.roster of this "
        "repository's id, below ~/.cache/borg on a target, below --cache-dir on the controller",
        transient=True,
    ),
    "DoesNotExist": _damage("there is no repository", "check RootDir and SubDir"),
    "InvalidRepository": _damage(
        "the folder at the repository's path is not a borg repository",
        "check that folder on the backup server; if it is empty, remove it: borgpull then makes a repository there",
    ),
    "InvalidRepositoryConfig": _INCOMPLETE,
    "NoManifestError": _INCOMPLETE,
    "PathAlreadyExists": _Sign("the repository's folder has other files in it", "choose another SubDir", BACKUP_SERVER),
    "PathNotAllowed": _Sign(
        "borg serve refuses the path of this repository",
        "set RootDir to the real path, without symbolic links: `realpath` on the backup server prints it",
        BACKUP_SERVER,
    ),
    # One segment (500 MiB) and one object (20 MiB) must fit, from the tenth segment on (repository.py of 1.2 and 1.4).
    "InsufficientFreeSpaceError": _Sign(
        "its disk is full",
        "free space below RootDir on the backup server; borg prunes and compacts only with 550 MB or more free",
        BACKUP_SERVER,
        limit="disk",
    ),
    "StorageQuotaExceeded": _Sign(
        "the storage quota of this repository is reached",
        "raise its Quota, or keep less (PruneSetting); if it was set on the backup server: "
        "`borg config REPOSITORY storage_quota SIZE` there, then `borgpull accept`",
        BACKUP_SERVER,
        limit="quota",
    ),
    "RepositoryAccessAborted": _Sign(
        "borg knows this repository at another location and refuses it",
        "if you moved RootDir, SubDir or the repositories: `borgpull accept --moved NAME`; else find out who did",
    ),
    "RepositoryReplay": _Sign(
        "borg has seen a newer state of this repository: somebody restored an older one, or this is an attack",
        "after a rollback: wait until the clock of that host is past its newest archive, or remove there ~/.cache/borg "
        "and ~/.config/borg/security/*/manifest-timestamp; if nobody restored it, find out who did",
        damning=True,
    ),
    "CacheInitAbortedError": _damage(
        "the repository is not encrypted, but borgpull makes only encrypted ones", "find out who replaced it"
    ),
    "IntegrityError": _damage(
        "the repository is damaged",
        "check its disk; `borgpull borg NAME -- check` lists what is lost, `borgpull borg --full-access NAME -- check "
        "--repair` gives that up",
    ),
    "ArchiveTAMInvalid": _Sign(
        "an archive has no proof of who wrote it; borg 1.2.4 loses it on `borg rename` and `borg recreate`",
        "if you ran one of them: `borgpull accept --archives-tam NAME` makes borg accept the archive; "
        "`borg check --repair` would delete it",
        BACKUP_SERVER,
    ),
    "TAMInvalid": _damage("the repository's manifest is not authentic", "somebody without the key changed it"),
    "TAMRequiredError": _damage(
        "the repository's manifest is not authenticated", "a very old borg or an attacker wrote it"
    ),
    "UnexpectedRPCDataFormatFromServer": _Sign(
        "its shell prints something before borg answers",
        "in ~/.bashrc of that account, print nothing without a terminal: `[ -t 1 ] || return`",
        BACKUP_SERVER,
    ),
    # A borg that prompts says only that: it prompts again after a wrong one.
    "NoPassphraseFailure": _Sign(
        "the passphrase does not open the repository, or did not reach borg",
        "correct BorgTarget.Passphrase of this target; if it is right, run again with -v",
    ),
    **dict.fromkeys(("ConnectionClosedWithHint", "ConnectionClosed", "ConnectionBrokenWithHint"), _LOST),
}

# The exit status of borg, and of a shell, after signal N is this plus N.
_SIGNALLED = 128

_OLD = _Sign(
    "its borg is too old, or a borg 2: it does not know an option of borg 1.2 and 1.4", "install borg 1.2 or 1.4"
)

_PASSCOMMAND = _Sign(
    "its borg obeys a BORG_PASSCOMMAND of that host, in place of our passphrase",
    "remove it from /etc/environment there, and from what PAM reads for sudo",
)

_NO_TEMPORARY = _Sign(
    "borg cannot write to any folder for temporary files",
    "set TMPDIR there, or make /tmp writable; in a read-only container: `--tmpfs /tmp`",
)

_NO_UNPACKING = _Sign(
    "its standalone borg cannot unpack itself: its folder for temporary files is full, or mounted noexec",
    "set TMPDIR to a folder with 100 MB free and no noexec: a line `TMPDIR=/var/tmp` in /etc/environment there; or "
    "install borg as a package",
)
# PyInstaller 4 to 6, and the system's loader.
_UNPACKING = ("failed to map segment", "Failed to extract", "Cannot open PyInstaller archive", "temporary directory!")

# Without message ids: tracebacks and plain text of 1.2, shells, the system. First what it means on the backup server,
# then on the host of the borg client, which writes only to its cache.
_TEXTS: Mapping[str, tuple[_Sign, _Sign]] = {
    **dict.fromkeys(_UNPACKING, (_NO_UNPACKING, _NO_UNPACKING)),
    "No space left on device": (
        _SIGNS["InsufficientFreeSpaceError"],
        _Sign(
            "its disk is full",
            "free space there for borg's cache: ~/.cache/borg on a target, --cache-dir on the controller",
        ),
    ),
    "Disk quota exceeded": (
        _Sign("its account has no disk quota left", "raise it there, or free space below RootDir", limit="disk"),
        _Sign("its account has no disk quota left", "raise it there, or free space"),
    ),
    "Read-only file system": (
        _Sign(
            "its file system is read-only",
            "mount RootDir writable on the backup server; its kernel log says why it is not",
        ),
        _Sign("its file system is read-only", "mount ~/.cache and ~/.config there writable"),
    ),
    "Permission denied": (
        _Sign(
            "it may not read or write a file or folder",
            "check the owners of all files of the repository below RootDir there: root leaves such files",
        ),
        _Sign(
            "borg may not read or write a file or folder", "check the owner of ~/.cache/borg and ~/.config/borg there"
        ),
    ),
    "No usable temporary directory found": (_NO_TEMPORARY, _NO_TEMPORARY),
    # A serve that cannot read its `integrity.N` dies of this (1.2.4 and 1.4.5).
    "msgpack.PackException": (_INCOMPLETE, _INCOMPLETE),
    UNPROVEN: (_SIGNS["ArchiveTAMInvalid"], _SIGNS["ArchiveTAMInvalid"]),
    "supplied in BORG_PASSCOMMAND failed": (_PASSCOMMAND, _PASSCOMMAND),
    "unrecognized arguments": (_OLD, _OLD),
    "invalid choice": (_OLD, _OLD),
    "BrokenPipeError": (_LOST, _LOST),
    # What a borg prints whose session ended because its serve had gone.
    STOPPED: (_LOST, _LOST),
    "Connection closed by remote host": (_LOST, _LOST),
}


# What a host prints when it lacks something for a moment, or one of its disks fails.
_SYSTEM = {
    text: _Sign(
        f"its system failed borg: {text}",
        "check memory, limits on processes and files (TasksMax), and disk errors there",
        transient=True,
    )
    for text in (
        *("Input/output error", "MemoryError", "Cannot allocate memory", "Too many open files"),
        *("Resource temporarily unavailable", "Stale file handle", "Transport endpoint is not connected"),
    )
}


def explain(party: str, command: str, status: int, said: Messages, *, server: Messages | None = None) -> Failure:
    """Return why `borg COMMAND` failed with exit status `status`; `server` is what its `borg serve` said.

    A cause that the serve names comes first: it saw it.
    """
    found = _find(party, said, server)
    if found is None:
        cause = f"borg {command} failed{_last_words(status, said)}"
        hint = "run again with -v to see all output of borg"
        return Failure(party, cause, hint=hint, transient=not 0 <= status < _SIGNALLED)
    who, sign = found
    if sign.limit:
        return NoSpace(sign.cause, hint=sign.hint, limit=sign.limit)
    hint = sign.hint + (borg_setting(who) if sign is _OLD else "")
    return Failure(who, sign.cause + _holder(sign, said, server), hint=hint, transient=sign.transient)


def _holder(sign: _Sign, said: Messages, server: Messages | None) -> str:
    """Return who has a lock, as the host of the lock printed when its borg began, and since when."""
    told = {id(_SIGNS["LockTimeout"]): server, id(_SIGNS["CacheLockTimeout"]): said}.get(id(sign))
    return next((f": {message.text}" for message in (told.others if told else ()) if message.kind == LOCKED), "")


def speaks_against_repository(status: int, said: Messages, *, server: Messages | None = None) -> bool:
    """Return whether borg failed because something is wrong with the repository itself.

    Not when a signal killed it, when it lacked a setting, a permission, space or the connection, or for an unknown
    error.
    """
    found = _find("", said, server)
    return 0 <= status < _SIGNALLED and found is not None and found[1].damning


def is_unknown(status: int, said: Messages, *, server: Messages | None = None) -> bool:
    """Return whether borg failed with an unknown error of its own, as when its cache is damaged."""
    own = not any(message.served for message in said.errors)
    return own and 1 < status < _SIGNALLED and _find("", said, server) is None


def system_of_server(said: str) -> tuple[str, str] | None:
    """Return the cause and the hint for what the backup server's system printed, None when it is unknown."""
    return next(((sign.cause, sign.hint) for text, (sign, _) in _TEXTS.items() if text in said), None)


def _find(party: str, said: Messages, server: Messages | None) -> tuple[str, _Sign] | None:
    served = [(BACKUP_SERVER, message) for message in _errors(server)] if server else []
    own = [(BACKUP_SERVER if message.served else party, message) for message in _errors(said)]
    kinds = [*said.kinds(), *(server.kinds() if server else ())]
    by_kind = [(_SIGNS[kind].party or party, _SIGNS[kind]) for kind in kinds if kind in _SIGNS]
    found = [*by_kind, *_by_text([*served, *own])]
    # A lost connection is often only the consequence of what the serve died of.
    return next((each for each in found if each[1] is not _LOST), found[0] if found else None)


def _errors(said: Messages) -> list[Message]:
    return [*said.errors, *(message for message in said.others if message.level == "PLAIN")]


def _by_text(said: Iterable[tuple[str, Message]]) -> Iterator[tuple[str, _Sign]]:
    for who, message in said:
        for text, (on_server, elsewhere) in _TEXTS.items():
            if text in message.text:
                yield who, on_server if who == BACKUP_SERVER else elsewhere
        yield from ((who, sign) for text, sign in _SYSTEM.items() if text in message.text)


def unread_warning(party: str, status: int, said: Messages) -> Failure:
    """Return the failure of a borg that ended with a warning, and printed none: nobody knows what it left out."""
    cause = f"borg failed, or its warning could not be read{_last_words(status, said)}"
    return Failure(party, cause, hint="look there for what hides borg's log: BORG_LOGGING_CONF in /etc/environment?")


def _last_words(status: int, said: Messages) -> str:
    # Borg's headline for an unforeseen error; the next message is that error.
    errors = [message for message in said.errors if message.text != "Local Exception"]
    texts = [errors[0].text] if errors else last_telling(m.text for m in said.others if m.level == "PLAIN")
    how = f" (exit {status})" if status >= 0 else f" (killed by signal {-status})"
    return ": ".join([how, *texts])


def named(kind: str, party: str) -> Failure:
    """Return the failure for the message id `kind`, a known one, when `party` is at fault."""
    sign = _SIGNS[kind]
    return Failure(sign.party or party, sign.cause, hint=sign.hint, transient=sign.transient)


def not_unpacked(party: str, said: str) -> Failure | None:
    """Return that a standalone borg could not unpack itself, None when `said` does not say so."""
    found = any(text in said for text in _UNPACKING)
    return Failure(party, _NO_UNPACKING.cause, hint=_NO_UNPACKING.hint) if found else None


def not_connected(party: str, status: int, said: Messages) -> Failure:
    """Return why a borg on a target ended before it had connected, best in the words of what it started for that.

    Borg prints these words as warnings (1.2.4, 1.4.5).
    """
    found = _find(party, said, None)
    if found is not None and found[1] is not _LOST:
        return explain(party, "list", status, said)
    printed = [text for each in said.warnings if (text := each.text.removeprefix("Remote: ")) != each.text]
    telling = last_telling(printed or [each.text for each in said.others if each.level == "PLAIN"])
    words = f": {telling[0]}" if telling else _last_words(status, said)
    hint = "there, as root with Sudo: `borg --version`, `socat -V`; or set BorgPath or SocatPath of this target"
    transient = found is not None or not 0 <= status < _SIGNALLED
    return Failure(party, f"its borg did not connect to the controller{words}", hint=hint, transient=transient)


def missing_borg(where: str, borg: str) -> Failure:
    return Failure(where, f"borg is not installed there ({borg})", hint=f"apt install borgbackup{borg_setting(where)}")


def borg_setting(where: str) -> str:
    """Return the end of a hint: the key of the config for another borg there; the controller has none."""
    keys = {CONTROLLER: "", BACKUP_SERVER: ", or set BorgPath in [Borg.Server]"}
    return keys.get(where, ", or set BorgPath of this target")
