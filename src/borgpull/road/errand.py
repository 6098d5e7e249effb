"""What T's borg is to do: each errand is one command line for one session there. Nothing runs here."""

from __future__ import annotations

from dataclasses import dataclass

from plumbum.commands.base import BaseCommand

from .. import proc
from ..borg import command as borg_command
from ..borg.command import Repository
from ..config import Options
from . import as_root
from .script import SESSION


@dataclass(frozen=True)
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
        """Return the command of the session, framed by `mark`."""
        words = borg_command.create(
            self.archive, sources=self.sources, excludes=self.excludes, options=self.options, url=_told(self)
        )
        return _command(self, mark, words, folder="", nice=self.options.nice)


@dataclass(frozen=True)
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
        """Return the command of the session, framed by `mark`."""
        words = borg_command.extract(
            self.archive, patterns=self.patterns, numeric_ids=self.numeric_ids, url=_told(self)
        )
        return _command(self, mark, [f"--lock-wait={self.lock_wait}", *words], folder=self.folder)


Errand = Backup | Extraction


def _told(errand: Errand) -> str:
    """Return the URL that the arguments of borg have to say, as sudo keeps back the environment."""
    return errand.repository.url if errand.sudoer else ""


def _command(errand: Errand, mark: str, words: list[str], *, folder: str, nice: int | None = None) -> BaseCommand:
    calm = "" if nice is None else str(nice)
    before = str(len(words) - len(errand.sources))
    settings = [f"{name}={value}" for name, value in borg_command.environment(errand.repository.url).items()]
    sudo = as_root.program(errand.sudoer)
    return proc.Command("exec")[
        "env", settings, "sh", "-c", SESSION, "sh", mark, errand.borg, sudo, calm, folder, before, words
    ]
