"""Reads what a run says and edits what it is told: reports, events, configs, and shells that are not plain."""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .place import Result, World


def entry(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the [[Servers]] table of a target."""
    return next(table for table in config["Servers"] if table["Name"] == name)


def only(config: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    """Return `config` with these targets alone, each with the changes."""
    return config | {"Servers": [table | changes for table in config["Servers"] if table["Name"] in names]}


def config_of(world: World, *names: str, retries: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the config with these targets alone, the first of them with the changes, and so many Retries."""
    config = only(world.lab.config(), *names)
    config["Borg"]["Retries"] = retries
    config["Servers"][0] |= changes
    return config


def report(result: Result) -> dict[str, Any]:
    """Return the JSON report of a run with --json."""
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


def row(result: Result, name: str) -> dict[str, Any]:
    """Return what the report says of one target."""
    return next(each for each in report(result)["targets"] if each["name"] == name)


def said_of(row_or_report: dict[str, Any]) -> str:
    """Return all errors and warnings in it as text, with their hints."""
    errors = [f"{each['party']}: {each['cause']}\nhint: {each['hint']}" for each in row_or_report["errors"]]
    warnings = [f"warning: {each['text']}" for each in row_or_report["warnings"]]
    return "\n".join([*errors, *warnings])


def ends(row: dict[str, Any]) -> dict[str, str]:
    """Return the outcome of each step of a target."""
    return {step["step"]: step["outcome"] for step in row["steps"]}


def events(path: Path) -> list[dict[str, Any]]:
    """Return the events written to `path` so far."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def until(condition: Callable[[], Any], *, process: subprocess.Popen | None = None, seconds: float = 120) -> None:
    """Wait for a condition, with a deadline; a process that ends before it comes true is a failure."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"it ended too early: {process.communicate()}")
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def move(config: dict[str, Any], name: str, endpoint: str, key: str) -> None:
    """Have a target looked for at `host:port`, with the host key `key`."""
    host, _, port = endpoint.rpartition(":")
    entry(config, name)["Connection"] |= {"Host": endpoint, "KnownHost": f"[{host}]:{port} {key}"}


def nobody_listens() -> str:
    """Return a `host:port` on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def forced_shell(prelude: str) -> str:
    """Return the sshd line that runs `prelude` before each command of a session, as a ~/.bashrc does."""
    return f'ForceCommand {prelude}; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


def script(path: Path, text: str) -> str:
    """Make an executable shell script; return its path."""
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(place.lstat().st_size for place in folder.rglob("*") if place.is_file())


def connections(host: Any) -> list[int]:
    """Return the pids of the sshd processes that hold the connections to a host of the lab."""
    children = Path(f"/proc/{host.pid}/task/{host.pid}/children")
    return [int(pid) for pid in children.read_text().split()]
