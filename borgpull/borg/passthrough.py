"""The words of a borg command that the operator gives: which command it is, and what cannot go this road.

It knows no more of borg's options than it needs for that (1.2, 1.4); what is wrong with the rest is for borg to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from .command import of_archive

FULL_ACCESS = "--full-access"
LATEST = "::latest"
# The options before a command that take the next word.
_TAKING = {
    *("--debug-profile", "--debug-topic", "--lock-wait", "--remote-buffer", "--remote-path", "--remote-ratelimit"),
    *("--rsh", "--umask", "--upload-buffer", "--upload-ratelimit"),
}
_OF_THE_ROAD = ("--rsh", "--remote-path")
_READING = frozenset({"diff", "export-tar", "extract", "info", "list", "mount"})
# What names a repository other than by the `::` of BORG_REPO.
_REPOSITORY = re.compile(r"(?:ssh|file)://\S*|[^:\s-][^\s]*?::.*", re.DOTALL)
# Why a command is refused, and what to do instead.
_SENSELESS: Mapping[str, tuple[str, str]] = {
    "serve": ("that is what runs at the other end, on B", "name another command"),
    "init": ("a repository is made by the first run of its target", "type `borgpull run`"),
    "umount": ("a mount of borgpull's ends on this machine", "press Ctrl-C where it was mounted, or type `umount DIR`"),
    "benchmark": ("it opens the repository again and again", "run it on B itself, on a repository made for it"),
}


@dataclass(frozen=True, kw_only=True)
class BorgArguments:
    """A borg command of the operator's. `asks` says that borg itself asks for passphrases, of old and new."""

    command: str
    arguments: tuple[str, ...]
    asks: bool

    @property
    def mounts(self) -> bool:
        """Tell whether it goes on until somebody ends it."""
        return self.command == "mount"

    def of_latest(self, archive: str) -> tuple[str, ...]:
        """Return the arguments with the name of an archive for each `::latest`."""
        return tuple(of_archive(archive) if word == LATEST else word for word in self.arguments)


def read_words(words: Sequence[str], *, full_access: bool, only_reads: bool = False) -> BorgArguments:
    """Return the command that `words` are, without the program itself. Raises UsageError for what is refused.

    `only_reads` refuses all that may write. A mount is kept in the foreground: socket and serve last as long as borg,
    and a borg in the background has no end.
    """
    _refuse_options(words)
    place = _command_at(words)
    command = words[place] if place < len(words) else ""
    _refuse(command, full_access=full_access)
    if only_reads and (full_access or command not in _READING):
        raise UsageError(
            f"`borg {command}` may change the repository: a state in Grace can only be read",
            hint=f"with --at borg may {', '.join(sorted(_READING))}; `borgpull rollback NAME --to TIME` puts it back",
        )
    _refuse_repository(words[place + 1 :])
    foreground = ("--foreground",) if command == "mount" else ()
    return BorgArguments(
        command=command,
        arguments=(*words[: place + 1], *foreground, *words[place + 1 :]),
        # Its passphrase can be handed over once, and here borg would take it for the new one too.
        asks=command == "key" and "change-passphrase" in words[place:],
    )


def _command_at(words: Sequence[str]) -> int:
    """Return where the command stands, behind the end where there is none, as in `--version`."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in _TAKING else 1
    return place


def _refuse_options(words: Sequence[str]) -> None:
    for word in words:
        if word == "--":
            return
        if word == FULL_ACCESS:
            raise UsageError(
                f"{FULL_ACCESS} is no option of borg's",
                hint=f"put it before the `--`: `borgpull borg {FULL_ACCESS} NAME`",
            )
        # Borg takes the beginning of an option for all of it.
        name = word.partition("=")[0]
        if len(name) > len("--") and any(option.startswith(name) for option in _OF_THE_ROAD):
            raise UsageError(f"{name}: the road to B is borgpull's own", hint="leave that option out")


def _refuse(command: str, *, full_access: bool) -> None:
    if command in _SENSELESS:
        why, instead = _SENSELESS[command]
        raise UsageError(f"`borg {command}` makes no sense here: {why}", hint=instead)
    if command == "compact" and not full_access:
        # Borg would end with 0, and would have freed nothing.
        raise UsageError("`borg compact` frees nothing in a session that may only add", hint=f"give it {FULL_ACCESS}")


def _refuse_repository(words: Sequence[str]) -> None:
    for word in words:
        if word == "--" or word.startswith("::"):
            return
        if _REPOSITORY.fullmatch(word):
            raise UsageError(
                "the repository is that of the target, and no other one",
                hint="leave it out, or write `::` for it and `::ARCHIVE` for an archive in it",
            )
