"""What borg on the target does: each command is one command line for one session there. Nothing runs here.

What may hold a password is in no command line: the session reads it after the passphrase.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ..borg import command_lines as borg_command
from ..borg.command_lines import Repository
from ..config import Stream, Target
from ..events import Step
from . import sudo
from .target_scripts import DUMP, session_script


class Context(Protocol):
    """What a command needs to know: its target, and where the repository is."""

    @property
    def target(self) -> Target: ...
    @property
    def repository(self) -> Repository: ...


@dataclass(frozen=True)
class TargetCommand:
    """A borg on the target of `context`, with its repository, as a part of `step`."""

    context: Context
    step: ClassVar[Step] = Step.CREATE
    is_nice: ClassVar[bool] = False

    @property
    def sudo_user(self) -> str:
        """Return the user whose sudo runs borg as root, empty where borg runs as the user itself."""
        return self.context.target.sudo_user

    @property
    def url(self) -> str:
        """Return the URL for the arguments of borg, where sudo does not pass on the environment; else ""."""
        return self.context.repository.url if self.sudo_user else ""

    @property
    def location(self) -> str:
        """Return where its borg has its repository, "" where what it has cached of that is left to it."""
        return "" if self.sudo_user else self.context.repository.location

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the source paths of an archive."""
        return ()

    def words(self, mark: str) -> list[str]:
        """Return the arguments of borg."""
        raise NotImplementedError

    def after_passphrase(self, mark: str) -> bytes:
        """Return what the session reads after the passphrase."""
        return b""

    @property
    def works_in(self) -> str:
        """Return the folder that borg works in, "" for the home."""
        return ""

    @property
    def environment(self) -> dict[str, str]:
        return borg_command.environment(self.context.repository.url)

    def script(self, mark: str) -> tuple[str, ...]:
        """Return the script of the session, and its arguments; it prints `mark` before anything that counts."""
        target = self.context.target
        nice = str(target.nice) if self.is_nice and target.nice is not None else ""
        stream = "stream" if self.after_passphrase(mark) else ""
        first = (mark, secrets.token_hex(5), target.borg_path, sudo.program(self.sudo_user), target.socat_path, nice)
        return (session_script(self.environment), *first, self.works_in, stream, self.location, *self.words(mark))


@dataclass(frozen=True)
class CreateArchive(TargetCommand):
    """Create an archive of the source paths."""

    archive: str
    is_nice: ClassVar[bool] = True

    @property
    def sources(self) -> tuple[str, ...]:
        return self.context.target.source_paths

    def words(self, mark: str) -> list[str]:
        target, excludes = self.context.target, self.context.target.excludes
        return borg_command.create(self.archive, sources=self.sources, excludes=excludes, options=target, url=self.url)


@dataclass(frozen=True)
class CreateFromCommand(TargetCommand):
    """Create an archive of one file: what the command of a stream prints.

    Borg starts that command, so borg does not run as root by sudo here: all commands run as the user.
    """

    archive: str
    stream: Stream
    step: ClassVar[Step] = Step.STREAM
    is_nice: ClassVar[bool] = True

    @property
    def sudo_user(self) -> str:
        return ""

    def words(self, mark: str) -> list[str]:
        # The command gets the operator's own settings of these, not ours for borg.
        url = self.context.repository.url
        hidden = [*borg_command.environment(url), "BORG_RSH", "BORG_PASSPHRASE_FD", "BORG_HOST_ID", "BORG_VERSION"]
        dump = ["sh", "-c", DUMP, "sh", mark, *hidden]
        return borg_command.create_from_command(
            self.archive, file=self.stream.name, words=dump, options=self.context.target
        )

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"BORGPULL_TARGET": self.context.target.name, "BORGPULL_ARCHIVE": self.archive}

    def after_passphrase(self, mark: str) -> bytes:
        command = self.stream.command.encode() + mark.encode()
        return b"%d\n%b" % (len(command), command)


@dataclass(frozen=True)
class ExtractArchive(TargetCommand):
    """Extract the parts of `archive` that match `patterns` (all, without one) below `folder` on the target."""

    archive: str
    patterns: tuple[str, ...]
    folder: str
    numeric_ids: bool
    step: ClassVar[Step] = Step.EXTRACT

    @property
    def works_in(self) -> str:
        return self.folder

    def words(self, mark: str) -> list[str]:
        words = borg_command.extract(self.archive, patterns=self.patterns, numeric_ids=self.numeric_ids, url=self.url)
        return [f"--lock-wait={self.context.target.lock_wait}", *words]


@dataclass(frozen=True)
class TryTransport(TargetCommand):
    """List the archives, with a borg that gets no answer: it does no more than connect."""

    location = ""

    def words(self, mark: str) -> list[str]:
        return [*borg_command.list_archives(), *filter(None, [self.url])]


@dataclass(frozen=True)
class DeleteCache(TargetCommand):
    """Delete what borg there, which may be root's, has cached of the repository; borg itself knows where that is."""

    def words(self, mark: str) -> list[str]:
        return [f"--lock-wait={self.context.target.lock_wait}", *borg_command.delete_cache(url=self.url)]
