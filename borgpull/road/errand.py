"""What T's borg is to do: each errand is one command line for one session there. Nothing runs here.

What may hold a password stands in no command line: it is `told` the session once it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from plumbum.commands.base import BaseCommand

from .. import proc
from ..borg import command as borg_command
from ..borg.command import Repository
from ..config import Options, Stream
from . import as_root
from .script import DUMP, SESSION


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What is to be done on T: its borg, the repository, and the arguments of `borg create` with the sources last.

    `sudoer` is the user whose sudo makes borg run as root, empty where borg runs as the user itself.
    """

    borg: str
    repository: Repository
    archive: str
    sources: tuple[str, ...]
    excludes: tuple[str, ...]
    options: Options
    sudoer: str = ""

    def command(self, mark: str) -> BaseCommand:
        words = borg_command.create(
            self.archive, sources=self.sources, excludes=self.excludes, options=self.options, url=_told(self)
        )
        return _command(self, mark, words, folder="", nice=self.options.nice)


@dataclass(frozen=True, kw_only=True)
class Dump:
    """What the command of a stream prints is to become an archive with one file. `target` is the Name that it sees.

    Borg starts that command, so neither is ever root's by sudo: all commands are those of the user itself.
    """

    borg: str
    repository: Repository
    archive: str
    stream: Stream
    target: str
    options: Options
    sudoer: str = ""
    sources: tuple[str, ...] = ()

    def command(self, mark: str) -> BaseCommand:
        # Where T is and how it counts its hours is the operator's business, not borg's.
        hidden = [*borg_command.environment(self.repository.url), "BORG_RSH", "BORG_PASSPHRASE_FD", "BORG_VERSION"]
        dump = ["sh", "-c", DUMP, "sh", mark, *hidden]
        words = borg_command.create_from_command(self.archive, file=self.stream.name, words=dump, options=self.options)
        seen = {"BORGPULL_TARGET": self.target, "BORGPULL_ARCHIVE": self.archive}
        return _command(self, mark, words, folder="", nice=self.options.nice, seen=seen)

    def told(self, mark: str) -> bytes:
        """Return what the session is told after the passphrase."""
        command = self.stream.command.encode() + mark.encode()
        return b"%d\n%b" % (len(command), command)


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What is to be put back on T: the parts of `archive` that match `patterns` (all, without one), below `folder`."""

    borg: str
    repository: Repository
    archive: str
    patterns: tuple[str, ...]
    folder: str
    numeric_ids: bool
    lock_wait: int
    sudoer: str = ""
    sources: tuple[str, ...] = ()

    def command(self, mark: str) -> BaseCommand:
        words = borg_command.extract(
            self.archive, patterns=self.patterns, numeric_ids=self.numeric_ids, url=_told(self)
        )
        return _command(self, mark, [f"--lock-wait={self.lock_wait}", *words], folder=self.folder)


@dataclass(frozen=True, kw_only=True)
class CacheRemoval:
    """The cache that T's borg has of the repository is to go, which may be root's; borg itself knows where it lies."""

    borg: str
    repository: Repository
    lock_wait: int
    sudoer: str = ""
    sources: tuple[str, ...] = ()

    def command(self, mark: str) -> BaseCommand:
        words = borg_command.delete_cache(url=_told(self))
        return _command(self, mark, [f"--lock-wait={self.lock_wait}", *words], folder="")


Errand = Backup | Dump | Extraction | CacheRemoval


def _told(errand: Errand) -> str:
    """Return the URL that the arguments of borg have to say, as sudo keeps back the environment."""
    return errand.repository.url if errand.sudoer else ""


def _command(
    errand: Errand,
    mark: str,
    words: list[str],
    *,
    folder: str,
    nice: int | None = None,
    seen: Mapping[str, str] = MappingProxyType({}),
) -> BaseCommand:
    calm = "" if nice is None else str(nice)
    stream = "stream" if isinstance(errand, Dump) else ""
    before = str(len(words) - len(errand.sources))
    sudo = as_root.program(errand.sudoer)
    location = errand.repository.location
    environment = {**borg_command.environment(errand.repository.url), **seen}
    settings = [f"{name}={value}" for name, value in environment.items()]
    first = (mark, errand.borg, sudo, calm, folder, stream, location, before)
    return proc.Command("exec")["env", settings, "sh", "-c", SESSION, "sh", first, words]
