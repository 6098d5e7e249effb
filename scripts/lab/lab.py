"""A backup server, its targets, and the config that lets borgpull reach them; all ends with one context."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit

from borgpull import process
from borgpull.errors import Failure

from . import processes
from .sshd import LAB, SELF_TEST, Host, Spot, find_program, host_running

PREFIX = "bplab-"
_PACKAGES = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "borg": "borgbackup",
    "socat": "socat",
}
_SECONDS_FOR_BORG = 120
_BACKUP_SERVER = Spot(name="B")
_TWO_TARGETS = (Spot(name="web"), Spot(name="mail"))


@dataclass(frozen=True, kw_only=True)
class Target:
    """A host to back up: the folder `source`, into the repository `repository` on B's disk."""

    host: Host
    source: Path
    subdir: str
    repository: Path
    passphrase: str = field(repr=False)

    @property
    def name(self) -> str:
        """Return its name."""
        return self.host.name


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A backup server and its targets; `directory` holds everything, `root` is the config's RootDir.

    `check_every` and `prune_every` are CheckEvery and PruneEvery; what the config does not say is left to borgpull.
    """

    directory: Path
    server: Host
    root: Path
    targets: tuple[Target, ...]
    check_every: str = ""
    prune_every: str = ""

    def config(self) -> dict[str, Any]:
        """Return borgpull's config for this lab: plain values, which a test may change."""
        return {
            "Borg": {
                "RootDir": str(self.root),
                "PruneSetting": "--keep-last 5 --keep-daily 7",
                **({"CheckEvery": self.check_every} if self.check_every else {}),
                **({"PruneEvery": self.prune_every} if self.prune_every else {}),
                "Server": _connection(self.server) | _borg_path(self.server),
            },
            "Servers": [_entry(target) for target in self.targets],
        }

    def config_text(self, config: dict[str, Any] | None = None) -> str:
        """Return `config`, or the lab's own, as TOML. It holds the lab's secrets."""
        return tomlkit.dumps(config or self.config())

    def borg(self, target: Target, *arguments: str, folder: Path | None = None) -> bytes:
        """Run borg directly on a target's repository, `folder` its working directory; return what it printed.

        The repository is `::` in the arguments. Raises Failure when borg ends with anything but 0.
        """
        done = process.run_now(
            [
                *("env", "-C", str(folder or self.directory)),
                f"BORG_BASE_DIR={self.directory / 'onlooker'}",
                *SELF_TEST,
                f"BORG_REPO={target.repository}",
                "BORG_PASSPHRASE_FD=0",
                *(self.server.spot.borg_path or "borg", *arguments),
            ],
            stdin=target.passphrase.encode() + b"\n",
            timeout=_SECONDS_FOR_BORG,
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise Failure(LAB, f"borg {arguments[0]} ended with {done.returncode}: {said}", hint="run it again")
        return done.stdout

    def host(self, name: str) -> Host:
        """Return the host with this name."""
        return next(host for host in (self.server, *(each.host for each in self.targets)) if host.name == name)

    def archives(self, target: Target) -> list[str]:
        """Return the names of a target's archives, oldest first."""
        return self.borg(target, "list", "--short").decode().split()

    def extracted(self, target: Target, archive: str, folder: Path) -> Path:
        """Extract an archive below the existing `folder`; return where the target's source came to lie."""
        self.borg(target, "extract", f"::{archive}", folder=folder)
        return folder / target.source.relative_to("/")


def missing_tools() -> dict[str, str]:
    """Return the programs that a lab needs and this machine lacks, with the Debian package of each."""
    return {tool: package for tool, package in _PACKAGES.items() if find_program(tool) is None}


@contextlib.contextmanager
def lab_running(
    server: Spot = _BACKUP_SERVER,
    targets: Sequence[Spot] = _TWO_TARGETS,
    *,
    parent: Path | None = None,
    check_every: str = "",
    prune_every: str = "",
) -> Iterator[Lab]:
    """Start a lab in a new directory below `parent` (TMPDIR, if None), and remove it at the end.

    Raises Failure when a host does not start.
    """
    # short, because a unix socket's path has room for 107 bytes
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        with contextlib.ExitStack() as hosts:
            root = directory / "repositories"
            # As where borgpull was before: below a RootDir that it does not know yet the first run warns.
            ids = root / ".borgpull" / ".borgpull" / "ids"
            for folder in (root, ids.parent.parent, ids.parent, ids):
                folder.mkdir(mode=0o700)
            yield Lab(
                directory=directory,
                server=hosts.enter_context(host_running(directory / server.name, server)),
                root=root,
                targets=tuple(
                    _target(hosts.enter_context(host_running(directory / spot.name, spot)), root) for spot in targets
                ),
                check_every=check_every,
                prune_every=prune_every,
            )
    finally:
        processes.end(processes.mentioning(str(directory)))
        shutil.rmtree(directory)


def _target(host: Host, root: Path) -> Target:
    source = host.directory / "source"
    source.mkdir()
    return Target(
        host=host,
        source=source,
        subdir=host.name,
        repository=root / host.name,
        passphrase=secrets.token_urlsafe(24),
    )


def _entry(target: Target) -> dict[str, Any]:
    return {
        "Name": target.name,
        "SourcePaths": [os.fspath(target.source)],
        "Excludes": [],
        **_borg_path(target.host),
        "Connection": _connection(target.host),
        "BorgTarget": {"SubDir": target.subdir, "Passphrase": target.passphrase},
    }


def _connection(host: Host) -> dict[str, str]:
    return {
        "Host": host.endpoint,
        "Username": host.user,
        "KnownHost": host.known_host,
        "PrivateKey": host.key.private,
    }


def _borg_path(host: Host) -> dict[str, str]:
    return {"BorgPath": host.spot.borg_path} if host.spot.borg_path else {}
