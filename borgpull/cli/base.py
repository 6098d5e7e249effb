"""What commands share: the config, a private directory, an event loop; the targets that a command is about."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from plumbum import cli

from .. import config, fleet, repository, runtime_dir, ssh
from ..config import Config, Target
from ..errors import ConfigError, ConfigProblem, Failure, UsageError
from ..events import Event, Said
from ..fleet import Interrupt, Selection
from ..repository import TargetContext, VerifiedArchives
from ..ui import console
from ..ui.archives import closed_lines
from ..ui.console import message_note
from ..untrusted import clean
from . import prompts
from .exit_codes import DONE, print_failure
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
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        return asyncio.run(work)
    finally:
        # The loop leaves the default actions behind, which do not tidy up.
        for number, handler in kept.items():
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, handler)


async def _interruptible(work: Awaitable[int], interrupt: Interrupt) -> int:
    """Wait for the exit code that `work` returns; the first signal cancels it, and has an exit code of its own."""
    interrupt.attach()
    try:
        return await work
    except asyncio.CancelledError:
        return 128 + (interrupt.number or 0)


@contextmanager
def private_directory() -> Iterator[Path]:
    """Close this process to others, and yield its private directory. Raises Failure, as runtime_dir does."""
    runtime_dir.harden()
    runtime_dir.raise_descriptors()
    with runtime_dir.private_directory() as directory:
        yield directory


def checked(text: str, directory: Path) -> Config:
    """Return the settings in the text of a config; `directory` is private. Raises ConfigError with all problems."""
    return config.read(
        text,
        check_key=lambda *login: ssh.key_problem(directory, *login),
        check_known_host=lambda host, port, known: ssh.known_host_problem(host, port, known, directory),
    )


def amount(option: str, rule: Callable[[str], int], text: str) -> int:
    """Return the value of an option, read by the config's `rule`. Raises UsageError."""
    try:
        return rule(text)
    except ValueError as problem:
        raise UsageError(f"{option} {problem}") from None


def whole_number(option: str, least: int, most: int) -> Callable[[str], int]:
    """Return what reads the value of an option that takes a whole number; it raises UsageError."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text[:20]) <= most):
            raise UsageError(f"{option} must be a whole number from {least} to {most}")
        return int(text)

    return read


def point_in_time(option: str, text: str, hint: str = "") -> float:
    """Return the time in an option, in unix seconds; without a zone it is local time. Raises UsageError."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        example = f"write it as in `{option} 2026-12-01T06:00`, or `{option} 2026-12-01T06:00:00Z` for UTC"
        raise UsageError(f"{option} {clean(text)}: not a time", hint=hint or example) from None


class ConfiguredCommand(Command):
    """A command that takes the config: from --config, on stdin, or from the secret of a container."""

    config_file = cli.SwitchAttr(
        ["-c", "--config"],
        str,
        argname="FILE",
        help=f"the TOML config; default: stdin or, when that is a terminal or /dev/null, {SECRET}",
    )
    cache_dir = cli.SwitchAttr(
        ["--cache-dir"],
        str,
        argname="DIR",
        help="where borg on this machine keeps its cache (no secrets, can be gigabytes); "
        "default: $XDG_CACHE_HOME/borgpull",
    )
    verbose: bool = False

    def on_event(self, event: Event) -> None:
        """Print what borg and ssh said, with -v."""
        if self.verbose and isinstance(event, Said):
            message_note(f"{event.party}: {event.text}")

    @contextmanager
    def prepared(self) -> Iterator[tuple[Path, Config]]:
        """Close this process to others; yield its private directory and the config. Raises Failure."""
        with private_directory() as directory:
            yield directory, self.config(directory)

    def config(self, directory: Path) -> Config:
        """Read and check the config; `directory` is private: keys lie in it for a moment. Raises ConfigError."""
        return checked(self.text(), directory)

    def text(self) -> str:
        """Return the text of the config. Raises ConfigError when it is not UTF-8, UsageError without one."""
        try:
            return self._bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem = ConfigProblem(f"byte {error.start + 1} is not UTF-8: save the config as UTF-8")
            raise ConfigError([problem]) from None

    @property
    def is_fed(self) -> bool:
        """True when the config comes on standard input, from a pipe or a file, so that nothing else can.

        False for a terminal, /dev/null, or a closed stdin.
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
        raise UsageError("there is no config", hint="run `borgpull < config.toml`, or give --config FILE")

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
            hint=f"check why the command before the `|` wrote nothing, or give --config FILE; in a container: "
            f"leave out `-i` where the config is the secret {SECRET}",
        )
    return text


class SelectingCommand(ConfiguredCommand):
    """A command about all targets, or about those that its options choose."""

    only = cli.SwitchAttr(
        ["--only"], str, list=True, argname="NAME", help="only targets of this name or glob, e.g. 'web*'"
    )
    skip = cli.SwitchAttr(["--skip"], str, list=True, argname="NAME", help="no targets of this name or glob")
    shard = cli.SwitchAttr(
        ["--shard"],
        str,
        argname="I/N",
        help="only the targets of shard I of N, counted from 0: each target belongs to exactly one of them",
    )

    def selection(self, names: tuple[str, ...] = ()) -> Selection:
        """Return what the options choose; `names` are more words of `only`. Raises UsageError."""
        shard = fleet.read_shard(self.shard) if self.shard is not None else None
        return Selection(only=(*self.only, *names), skip=tuple(self.skip), shard=shard)

    def selected(self, config: Config, names: tuple[str, ...] = (), *, quiet: bool = False) -> tuple[Target, ...]:
        """Return the chosen targets; print a note (unless `quiet`) when the shard has none. Raises UsageError."""
        targets = self.selection(names).targets(config)
        if not targets and not quiet:
            message_note(f"shard {self.shard} has none of these targets: there is nothing to do")
        return targets


class AnsweringCommand(SelectingCommand):
    """A command that takes the NAMEs of targets, as --only does, answers on stdout, and changes nothing."""

    json = cli.Flag(["--json"], help="print the answer as JSON")
    verbose = cli.Flag(["-v", "--verbose"], help="print the output of ssh, on stderr")

    def about_selected(
        self, names: tuple[str, ...], work: Callable[[Path, Config, tuple[Target, ...]], Awaitable[int]]
    ) -> int:
        """Do `work` with a private directory, the config and the chosen targets; return the exit code.

        Raises Failure.
        """
        with self.prepared() as (directory, config):
            targets = self.selected(config, names)
            return awaited(_interruptible(work(directory, config, targets), Interrupt()))


class OneTargetCommand(ConfiguredCommand):
    """A command that takes the NAME of a target. `interrupt` is there once its work has begun."""

    interrupt: Interrupt
    verbose = cli.Flag(["-v", "--verbose"], help="print the output of borg and ssh")

    def about(self, name: str, work: Callable[[TargetContext], Awaitable[int]], *, alone: bool = True) -> int:
        """Connect to the backup server and do `work` on the target `name`; return the exit code. Raises Failure.

        `alone` keeps runs away from its repository meanwhile: for work that changes it, or needs it to stay as it is.
        """
        return self.about_each((name,), work, alone=alone)

    def about_each(
        self, names: tuple[str, ...], work: Callable[[TargetContext], Awaitable[int]], *, alone: bool = True
    ) -> int:
        """Do `work` on each of these targets, one after the other; return the worst exit code.

        Raises Failure; that of one of several targets is printed, and the others have their turn.
        """
        with self.prepared() as (directory, config):
            self.interrupt = Interrupt()
            targets = self.targets(config, names)

            async def each() -> int:
                codes = []
                cache = self.cache()
                async with fleet.connected(config, directory=directory, cache=cache, emit=self.on_event) as run_context:
                    for target in targets:
                        context = TargetContext(run_context, target)
                        try:
                            async with context.store.locked() if alone else contextlib.nullcontext():
                                codes.append(await work(context))
                        except Failure as failure:
                            if len(targets) == 1:
                                raise
                            codes.append(print_failure(failure))
                return max(codes, default=DONE)

            return awaited(_interruptible(each(), self.interrupt))

    def targets(self, config: Config, names: tuple[str, ...]) -> Sequence[Target]:
        """Return the targets of these names. Raises UsageError."""
        return [fleet.target_named(config, name) for name in names]

    @staticmethod
    def warn_when_closed(archives: VerifiedArchives) -> None:
        if archives.closed:
            console.message_lines(closed_lines(archives.closed))


class ReadingCommand(OneTargetCommand):
    """A command that reads the repository of the target NAME, as it is or as it was."""

    at = cli.SwitchAttr(
        ["--at"],
        str,
        argname="TIME",
        help="read the state from before the first prune or compaction at this time or later, as far as it is kept: "
        "see `borgpull rollback --list`",
    )

    def about(self, name: str, work: Callable[[TargetContext], Awaitable[int]], *, alone: bool = True) -> int:
        if not self.at:
            return super().about(name, work, alone=alone)
        moment = point_in_time("--at", str(self.at))

        async def work_at(context: TargetContext) -> int:
            kept = await repository.state_at(context, moment)
            message_note(f"{context.party}: this is its state of {kept.kept}")
            return await work(kept)

        return super().about(name, work_at, alone=alone)


class DecidingCommand(OneTargetCommand):
    """A command that says what it will do and asks first."""

    yes = cli.Flag(["-y", "--yes"], help="do it without asking")

    async def confirm(self, question: str) -> bool:
        """Ask on the terminal, for standard input may hold the config. Raises UsageError without a terminal."""
        confirmed = self.yes or await prompts.confirm(question, hint="add --yes if you know what it will do")
        if not confirmed:
            message_note("nothing was changed")
        return confirmed
