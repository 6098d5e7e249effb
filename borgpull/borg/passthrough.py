"""The operator's own borg command: which one it is, and what borgpull refuses.

It knows only the options of borg that this needs (1.2, 1.4); borg judges the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from .command_lines import of_archive

FULL_ACCESS = "--full-access"
LATEST = "::latest"
# The options before a command that take the next word.
_WITH_VALUE = {
    *("--debug-profile", "--debug-topic", "--lock-wait", "--remote-buffer", "--remote-path", "--remote-ratelimit"),
    *("--rsh", "--umask", "--upload-buffer", "--upload-ratelimit"),
}
_OF_TRANSPORT = ("--rsh", "--remote-path")
_READING = frozenset({"diff", "export-tar", "extract", "info", "list", "mount"})
# What names a repository other than by `::`, the one in BORG_REPO.
_REPOSITORY = re.compile(r"(?:ssh|file)://\S*|[^:\s-][^\s]*?::.*", re.DOTALL)
# Why borgpull refuses a command, and what to do instead.
_REFUSED: Mapping[str, tuple[str, str]] = {
    "serve": ("borgpull runs it on the backup server", "name another command"),
    "init": ("the first run of a target makes its repository", "run `borgpull run`"),
    "umount": ("the mount is on this machine", "press Ctrl-C where it runs, or run `umount DIR`"),
    "benchmark": ("it opens the repository many times", "run it on the backup server, on a repository of its own"),
}


@dataclass(frozen=True, kw_only=True)
class BorgArguments:
    """The operator's borg command. `asks` when borg itself prompts for passphrases, the old and the new one."""

    command: str
    arguments: tuple[str, ...]
    asks: bool

    @property
    def mounts(self) -> bool:
        """Return whether it runs until the operator stops it."""
        return self.command == "mount"

    def of_latest(self, archive: str) -> tuple[str, ...]:
        """Return the arguments with the name of an archive for each `::latest`."""
        return tuple(of_archive(archive) if word == LATEST else word for word in self.arguments)


def read_words(words: Sequence[str], *, full_access: bool, only_reads: bool = False) -> BorgArguments:
    """Return the command in `words`, which are without the program itself. Raises UsageError for a refused one.

    `only_reads` refuses everything that may write. A mount stays in the foreground: socket and serve last as long as
    borg.
    """
    _refuse_options(words)
    place = _command_at(words)
    command = words[place] if place < len(words) else ""
    if command in _REFUSED:
        why, instead = _REFUSED[command]
        raise UsageError(f"`borg {command}` makes no sense here: {why}", hint=instead)
    if command == "compact" and not full_access:
        # Borg would exit 0, and free nothing.
        raise UsageError("`borg compact` frees nothing in an append-only session", hint=f"add {FULL_ACCESS}")
    if only_reads and (full_access or command not in _READING):
        raise UsageError(
            f"`borg {command}` may change the repository: a state in Grace is read-only",
            hint=f"with --at use {', '.join(sorted(_READING))}; `borgpull rollback NAME --to TIME` restores the state",
        )
    _refuse_repository(words[place + 1 :])
    foreground = ("--foreground",) if command == "mount" else ()
    return BorgArguments(
        command=command,
        arguments=(*words[: place + 1], *foreground, *words[place + 1 :]),
        # borgpull can pass a passphrase only once; here borg would take it for the new one too.
        asks=command == "key" and "change-passphrase" in words[place:],
    )


def _command_at(words: Sequence[str]) -> int:
    """Return the index of the command, beyond the end when there is none, as in `--version`."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in _WITH_VALUE else 1
    return place


def _refuse_options(words: Sequence[str]) -> None:
    for word in words:
        if word == "--":
            return
        if word == FULL_ACCESS:
            hint = f"put it before the `--`: `borgpull borg {FULL_ACCESS} NAME`"
            raise UsageError(f"{FULL_ACCESS} is not an option of borg", hint=hint)
        # Borg accepts abbreviated options.
        name = word.partition("=")[0]
        if len(name) > len("--") and any(option.startswith(name) for option in _OF_TRANSPORT):
            raise UsageError(f"{name}: borgpull itself connects borg to the backup server", hint="remove that option")


def _refuse_repository(words: Sequence[str]) -> None:
    for word in words:
        if word == "--" or word.startswith("::"):
            return
        if _REPOSITORY.fullmatch(word):
            hint = "remove it, or write `::` for it and `::ARCHIVE` for an archive in it"
            raise UsageError("the repository is always the target's own", hint=hint)
