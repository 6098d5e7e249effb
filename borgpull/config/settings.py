"""What a good config says, as the other rooms use it. Frozen, normalised, and with its secrets wrapped.

It never checks anything: whoever holds one of these holds a config that passed.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import SecretStr

SUB_DIR = "{SubDir}"
_KEPT_IN_UNITS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


@dataclass(frozen=True)
class Host:
    """Where an sshd listens: a name or an IP literal without brackets, and its port."""

    name: str
    port: int = 22


@dataclass(frozen=True, kw_only=True)
class Jump:
    """A host on the way to another one. `prefix` is what the names of its keys begin with in the config.

    `ciphers` are those of the connection that it is on the way of.
    """

    host: Host
    username: str
    known_host: str
    private_key: SecretStr
    ciphers: str = ""
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How to reach a machine, through `jumps` in their order. What goes into files is ready to be written to them.

    `ciphers` is a list as in ssh_config(5), or empty for the one that suits this machine.
    """

    host: Host
    username: str
    known_host: str
    private_key: SecretStr
    ciphers: str = ""
    jumps: tuple[Jump, ...] = ()


class Road(StrEnum):
    """How T's borg gets to C: over a unix socket that T's sshd forwards, or through socat in a session of its own."""

    FORWARD = "forward"
    STDIO = "stdio"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be set for each target. Times are in seconds; `quota` is as borg reads it, empty for none.

    `timeout` is for a whole target, `stall_timeout` for a `borg create` that moves no byte: longer than borg waits for
    a lock, and than it takes to write its caches. With `gate` C reads what T's borg asks of B, and stops what no honest
    one asks. Without a `road` it is a forward, and stdio where the target refuses one. With `sudo` T's borg is root's.
    `upload_rate_limit` is in KiB a second. `before`, `after` and `on_failure` are shell commands. What else is empty, 0
    or None is left to borg and T.
    """

    timeout: float = 48 * 3600.0
    stall_timeout: float = 30 * 60.0
    quota: str = ""
    gate: bool = False
    road: Road | None = None
    sudo: bool = False
    compression: str = ""
    one_file_system: bool = False
    exclude_caches: bool = False
    warn_on_change: bool = False
    shrink_limit: float = 0.5
    change_limit: float = 0.5
    grace: float = 7 * 86400.0
    exclude_if_present: tuple[str, ...] = ()
    patterns_from: str = ""
    upload_rate_limit: int = 0
    files_cache: str = "ctime,size"
    checkpoint_interval: int = 0
    lock_wait: int = 60
    encryption: str = "repokey-blake2"
    nice: int | None = None
    before: tuple[str, ...] = field(default=(), repr=False)
    after: tuple[str, ...] = field(default=(), repr=False)
    on_failure: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A shell command on T whose output gets archives of its own; `name` is that of the one file in them."""

    name: str
    command: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A host to be backed up. `sub_dir` is as written, `borg_path` is the borg on that host."""

    name: str
    source_paths: tuple[str, ...]
    excludes: tuple[str, ...]
    sub_dir: str
    passphrase: SecretStr
    connection: Connection
    borg_path: str
    options: Options = Options()
    streams: tuple[Stream, ...] = ()

    @property
    def sudoer(self) -> str:
        """Return the user whose sudo makes borg run as root there; empty where borg runs as the user itself."""
        return self.connection.username if self.options.sudo else ""


@dataclass(frozen=True, kw_only=True)
class Notify:
    """Who is told of a run: `ping` is the URL of a monitor, `on_finish` a command for the shell, or empty."""

    ping: SecretStr | None = None
    on_finish: str = ""


@dataclass(frozen=True, kw_only=True)
class Sockets:
    """The road to a B without a shell. `append` and `full` are the paths of sockets there, with SUB_DIR in them.

    `state_dir` is where the ledgers are kept on C.
    """

    append: str
    full: str
    state_dir: str

    def append_of(self, target: Target) -> str:
        return socket_of(self.append, target.sub_dir)

    def full_of(self, target: Target) -> str:
        return socket_of(self.full, target.sub_dir)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All of it. `root_dir` is as written; `prune_options` an argv, `prune_also` prefixes.

    At most `jobs` targets run at once.

    A target that failed for a reason that may pass is tried up to `retries` times more. `check_every` is in seconds:
    how often a repository is checked, 0 for in every run and infinity for never. `sockets` is None where B
    gives a shell.
    """

    root_dir: str
    prune_options: tuple[str, ...]
    prune_also: tuple[str, ...]
    jobs: int
    retries: int
    check_every: float
    server: Connection
    server_borg_path: str
    targets: tuple[Target, ...]
    notify: Notify = Notify()
    sockets: Sockets | None = None
    root_dir_must_be_mount: bool = False

    def repository_path(self, target: Target) -> str:
        """Return the normalised absolute path of the target's repository on B."""
        return repository_path(self.root_dir, target.sub_dir)

    def repository_url(self, target: Target) -> str:
        """Return the URL of the target's repository, letter for letter as the Go ancestor spelled it.

        Borg remembers it: any other spelling makes it ask whether the repository was relocated.
        """
        return f"ssh://borg-server/{self.root_dir}/{target.sub_dir}"


def repository_path(root_dir: str, sub_dir: str) -> str:
    """Return the folder that `borg serve` opens for the URL of these two (borg 1.2.4, 1.4.5)."""
    path = posixpath.normpath(f"{root_dir}/{sub_dir}")
    return "/" + path.lstrip("/")


def socket_of(path: str, sub_dir: str) -> str:
    """Return the socket of the repository at `sub_dir`: each has its own, named as systemd names its units."""
    return path.replace(SUB_DIR, escaped(sub_dir))


def escaped(path: str) -> str:
    """Return a path as `systemd-escape --path` writes it: `web/db-1` becomes `web-db\\x2d1`."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    letters = "/".join(parts).encode("utf-8", "surrogateescape")
    # A dot at the beginning would make a hidden file.
    return "".join(
        "-"
        if letter == ord("/")
        else chr(letter)
        if letter in _KEPT_IN_UNITS and (place or letter != ord("."))
        else rf"\x{letter:02x}"
        for place, letter in enumerate(letters)
    )
