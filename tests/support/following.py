"""Follows a run by its events, and acts in the middle of it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import processes

from .place import Result, World
from .reading import until

SECONDS = 120.0
ACCUSED = {"tampered", "unverifiable"}


class Run:
    """A run of borgpull in the background, its events in a file of its own."""

    def __init__(
        self, world: World, config: dict[str, Any], folder: Path, *arguments: str, borg: str = "", changed: str = ""
    ) -> None:
        self.told = folder / f"events {time.monotonic_ns()}"
        self._events: list[dict[str, Any]] = []
        self._read = 0
        self.process = world.start("--events", str(self.told), *arguments, borg=borg, changed=changed)
        self.process.stdin.write(world.lab.config_text(config))
        self.process.stdin.close()
        self.process.stdin = None

    def events(self) -> list[dict[str, Any]]:
        if self.told.exists():
            with self.told.open() as told:
                told.seek(self._read)
                text = told.read()
            whole = text[: text.rfind("\n") + 1]
            self._read += len(whole.encode())
            self._events += map(json.loads, whole.splitlines())
        return self._events

    def has(self, event: str, **facts: str) -> bool:
        return any(e["event"] == event and facts.items() <= e.items() for e in self.events())

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait for a condition; a run that ends before it comes true is a failure."""
        try:
            until(condition, process=self.process, seconds=SECONDS)
        except AssertionError as failed:
            raise AssertionError(f"{failed}; the last events: {self.events()[-3:]}") from None

    def end(self, *, seconds: float = SECONDS) -> Result:
        """Wait for its end."""
        with self.process:
            try:
                stdout, stderr = self.process.communicate(timeout=seconds)
            finally:
                self.process.kill()
        return Result(self.process.returncode, stdout, stderr)

    def kill(self) -> None:
        """Kill it as the kernel would; what it told until then is kept."""
        self.process.kill()
        self.end()

    def accusations(self) -> list[Any]:
        ended = [e for e in self.events() if e.get("outcome") in ACCUSED]
        return ended + [e for e in self.events() if e["event"] == "failed" and e["rules"]]


def command_with(process_of: int, word: bytes) -> int | None:
    """Return the pid below a process that has `word` among the words of its command line."""
    for pid in processes.descendants(process_of):
        try:
            if word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        except OSError:
            continue
    return None


def same_as(repository: Path) -> dict[str, bytes]:
    """Return every file of a repository, by its path."""
    return {str(p.relative_to(repository)): p.read_bytes() for p in sorted(repository.rglob("*")) if p.is_file()}
