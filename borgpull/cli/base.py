"""What takes a config, and what such a command needs: a private directory, an event loop."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from plumbum import cli

from .. import config, runtime_dir, ssh
from ..config import Config
from ..errors import ConfigError, ConfigProblem, UsageError
from .help import Command

_Result = TypeVar("_Result")
MOST_CONFIG = 64 * 1024 * 1024
# where Docker, Podman and Compose put a secret of this name
SECRET = Path("/run/secrets/borgpull")


def awaited(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Wait for `work` in an event loop of its own; return what it returns."""
    if sys.version_info < (3, 12):
        # The default of 3.11 keeps a thread for each process; later versions choose this one by themselves.
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    return asyncio.run(work)


@contextmanager
def private_directory() -> Iterator[Path]:
    """Close this process to others, and yield its private directory. Raises Failure, as rundir does."""
    runtime_dir.harden()
    with runtime_dir.private_directory() as directory:
        yield directory


def checked(text: str, directory: Path) -> Config:
    """Return the settings that the text of a config says, as `ConfiguredCommand.config` does. Raises ConfigError."""
    return config.read(
        text,
        check_key=lambda key: ssh.key_problem(key, directory),
        check_known_host=lambda host, port, known: ssh.known_host_problem(host, port, known, directory),
    )


class ConfiguredCommand(Command):
    """A command that takes the config: from --config, on stdin, or from the secret of a container."""

    config_file = cli.SwitchAttr(
        ["-c", "--config"],
        str,
        argname="FILE",
        help=f"the TOML config; without it stdin is read or, when that is a terminal or /dev/null, {SECRET}",
    )
    cache_dir = cli.SwitchAttr(
        ["--cache-dir"],
        str,
        argname="DIR",
        help="where borg on this machine keeps its cache (no secrets, can be gigabytes); "
        "default: $XDG_CACHE_HOME/borgpull",
    )

    def config(self, directory: Path) -> Config:
        """Read and check the config; `directory` is the private one of this run, where keys may lie for a moment.

        Raises ConfigError with all problems at once.
        """
        return checked(self.text(), directory)

    def text(self) -> str:
        """Return the text of the config, unread. Raises ConfigError when it is not UTF-8, UsageError without one."""
        try:
            return self._bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem = ConfigProblem(f"byte {error.start + 1} is not UTF-8: save the config as UTF-8")
            raise ConfigError([problem]) from None

    @property
    def is_fed(self) -> bool:
        """Tell whether the config comes on standard input, so that nothing else can: from a pipe or a file there.

        It does not from a terminal, /dev/null, or where stdin is closed, as where nobody sits.
        """
        if self.config_file or sys.stdin is None:
            return False
        return not stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)

    def _bytes(self) -> bytes:
        if self.config_file:
            return _read(Path(self.config_file), f"--config {self.config_file}")
        if self.is_fed:
            return _piped()
        if SECRET.exists():
            return _read(SECRET, f"the secret {SECRET}")
        raise UsageError("there is no config", hint="type `borgpull < config.toml`, or give --config FILE")

    def cache_place(self) -> Path:
        base = os.environ.get("XDG_CACHE_HOME", "")
        default = Path(base) if base.startswith("/") else Path("~/.cache").expanduser()
        return Path(self.cache_dir) if self.cache_dir else default / "borgpull"

    def cache(self) -> Path:
        """Return the folder of borg's cache on this machine, made if need be. Raises UsageError."""
        folder = self.cache_place()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return folder.resolve(strict=True)
        except OSError as error:
            raise UsageError(f"the cache folder {folder}: {error.strerror}", hint="give another --cache-dir") from None


def _read(file: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}", hint="name another file, or pipe the config in") from None


def _piped() -> bytes:
    text = sys.stdin.buffer.read(MOST_CONFIG)
    if not text.strip():
        # Never the secret instead: what should have decrypted another config into this pipe has failed.
        raise UsageError(
            "there is no config: stdin was empty",
            hint=f"see why the command before the `|` wrote nothing, or give --config FILE; in a container: "
            f"leave out `-i` where the config is the secret {SECRET}",
        )
    return text
