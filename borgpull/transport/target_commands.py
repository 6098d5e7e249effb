"""What borg on the target does: each command is one command line for one session there. Nothing runs here.

What may hold a password is in no command line: the session reads it after the passphrase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from plumbum.commands.base import BaseCommand

from .. import process
from ..borg import command_lines as borg_command
from ..borg.command_lines import Repository
from ..config import Stream, Target
from ..events import Step
from . import sudo
from .target_scripts import DUMP, SESSION


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

    @property
    def sudo_user(self) -> str:
        """Return the user whose sudo runs borg as root, empty where borg runs as the user itself."""
        return self.context.target.sudo_user

    @property
    def url(self) -> str:
        """Return the URL for the arguments of borg, where sudo does not pass on the environment; else ""."""
        return self.context.repository.url if self.sudo_user else ""

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

    def line(self, mark: str) -> BaseCommand:
        """Return the command line of the session; its script prints `mark` before anything that counts."""
        return self._line(mark)

    def _line(
        self, mark: str, *, folder: str = "", nice: int | None = None, stream: str = "", **extra: str
    ) -> BaseCommand:
        environment = {**borg_command.environment(self.context.repository.url), **extra}
        settings = [f"{name}={value}" for name, value in environment.items()]
        niceness = "" if nice is None else str(nice)
        first = (mark, self.context.target.borg_path, sudo.program(self.sudo_user), niceness, folder, stream)
        rest = (self.context.target.socat_path, *self.words(mark))
        return process.Command("exec")["env", settings, "sh", "-c", SESSION, "sh", first, rest]


@dataclass(frozen=True)
class CreateArchive(TargetCommand):
    """Create an archive of the source paths."""

    archive: str

    @property
    def sources(self) -> tuple[str, ...]:
        return self.context.target.source_paths

    def words(self, mark: str) -> list[str]:
        target, excludes = self.context.target, self.context.target.excludes
        return borg_command.create(self.archive, sources=self.sources, excludes=excludes, options=target, url=self.url)

    def line(self, mark: str) -> BaseCommand:
        return self._line(mark, nice=self.context.target.nice)


@dataclass(frozen=True)
class CreateFromCommand(TargetCommand):
    """Create an archive of one file: what the command of a stream prints.

    Borg starts that command, so borg does not run as root by sudo here: all commands run as the user.
    """

    archive: str
    stream: Stream
    step: ClassVar[Step] = Step.STREAM

    @property
    def sudo_user(self) -> str:
        return ""

    def words(self, mark: str) -> list[str]:
        # The command gets the operator's own settings of these, not ours for borg.
        url = self.context.repository.url
        hidden = [*borg_command.environment(url), "BORG_RSH", "BORG_PASSPHRASE_FD", "BORG_VERSION"]
        dump = ["sh", "-c", DUMP, "sh", mark, *hidden]
        return borg_command.create_from_command(
            self.archive, file=self.stream.name, words=dump, options=self.context.target
        )

    def line(self, mark: str) -> BaseCommand:
        target = self.context.target
        extra = {"BORGPULL_TARGET": target.name, "BORGPULL_ARCHIVE": self.archive}
        return self._line(mark, nice=target.nice, stream="stream", **extra)

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

    def words(self, mark: str) -> list[str]:
        words = borg_command.extract(self.archive, patterns=self.patterns, numeric_ids=self.numeric_ids, url=self.url)
        return [f"--lock-wait={self.context.target.lock_wait}", *words]

    def line(self, mark: str) -> BaseCommand:
        return self._line(mark, folder=self.folder)


@dataclass(frozen=True)
class TryTransport(TargetCommand):
    """List the archives, with a borg that gets no answer: it does no more than connect."""

    def words(self, mark: str) -> list[str]:
        return [*borg_command.list_archives(), *filter(None, [self.url])]


@dataclass(frozen=True)
class DeleteCache(TargetCommand):
    """Delete what borg there, which may be root's, has cached of the repository; borg itself knows where that is."""

    def words(self, mark: str) -> list[str]:
        return [f"--lock-wait={self.context.target.lock_wait}", *borg_command.delete_cache(url=self.url)]
