"""What T's borg is to do: each errand is one command line for one session there. Nothing runs here.

What may hold a password stands in no command line: it is `told` the session once it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from plumbum.commands.base import BaseCommand

from .. import process
from ..borg import command as borg_command
from ..borg.command import Repository
from ..config import Stream, Target
from . import sudo
from .scripts import DUMP, SESSION


@dataclass(frozen=True, kw_only=True)
class _TargetCommand:
    """What is to be done on T, by the settings of `target`, with its repository."""

    target: Target
    repository: Repository

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the source paths, which are the last arguments of borg; none where it reads none."""
        return ()

    @property
    def sudo_user(self) -> str:
        """Return the user whose sudo makes borg run as root, empty where borg runs as the user itself."""
        return self.target.sudo_user

    @property
    def _url(self) -> str:
        """Return the URL that the arguments of borg have to say, as sudo keeps back the environment."""
        return self.repository.url if self.sudo_user else ""

    def _command(
        self,
        mark: str,
        words: list[str],
        *,
        folder: str = "",
        nice: int | None = None,
        stream: str = "",
        seen: Mapping[str, str] = MappingProxyType({}),
    ) -> BaseCommand:
        calm = "" if nice is None else str(nice)
        before = str(len(words) - len(self.sources))
        sudo_program = sudo.program(self.sudo_user)
        environment = {**borg_command.environment(self.repository.url), **seen}
        settings = [f"{name}={value}" for name, value in environment.items()]
        first = (mark, self.target.borg_path, sudo_program, calm, folder, stream, self.repository.location, before)
        return process.Command("exec")["env", settings, "sh", "-c", SESSION, "sh", first, words]


@dataclass(frozen=True, kw_only=True)
class CreateArchive(_TargetCommand):
    """The source paths are to become an archive."""

    archive: str

    @property
    def sources(self) -> tuple[str, ...]:
        return self.target.source_paths

    def command(self, mark: str) -> BaseCommand:
        excludes, options = self.target.excludes, self.target
        words = borg_command.create(
            self.archive, sources=self.sources, excludes=excludes, options=options, url=self._url
        )
        return self._command(mark, words, nice=self.target.nice)


@dataclass(frozen=True, kw_only=True)
class CreateFromCommand(_TargetCommand):
    """What the command of a stream prints is to become an archive with one file.

    Borg starts that command, so neither is ever root's by sudo: all commands are those of the user itself.
    """

    archive: str
    stream: Stream

    @property
    def sudo_user(self) -> str:
        return ""

    def command(self, mark: str) -> BaseCommand:
        # Where T is and how it counts its hours is the operator's business, not borg's.
        hidden = [*borg_command.environment(self.repository.url), "BORG_RSH", "BORG_PASSPHRASE_FD", "BORG_VERSION"]
        dump = ["sh", "-c", DUMP, "sh", mark, *hidden]
        words = borg_command.create_from_command(self.archive, file=self.stream.name, words=dump, options=self.target)
        seen = {"BORGPULL_TARGET": self.target.name, "BORGPULL_ARCHIVE": self.archive}
        return self._command(mark, words, nice=self.target.nice, stream="stream", seen=seen)

    def told(self, mark: str) -> bytes:
        """Return what the session is told after the passphrase."""
        command = self.stream.command.encode() + mark.encode()
        return b"%d\n%b" % (len(command), command)


@dataclass(frozen=True, kw_only=True)
class ExtractArchive(_TargetCommand):
    """What is to be put back on T: the parts of `archive` that match `patterns` (all, without one), below `folder`."""

    archive: str
    patterns: tuple[str, ...]
    folder: str
    numeric_ids: bool

    def command(self, mark: str) -> BaseCommand:
        words = borg_command.extract(self.archive, patterns=self.patterns, numeric_ids=self.numeric_ids, url=self._url)
        return self._command(mark, [f"--lock-wait={self.target.lock_wait}", *words], folder=self.folder)


@dataclass(frozen=True, kw_only=True)
class DeleteCache(_TargetCommand):
    """The cache that T's borg has of the repository is to go, which may be root's; borg itself knows where it lies."""

    def command(self, mark: str) -> BaseCommand:
        words = borg_command.delete_cache(url=self._url)
        return self._command(mark, [f"--lock-wait={self.target.lock_wait}", *words])


TargetCommand = CreateArchive | CreateFromCommand | ExtractArchive | DeleteCache
