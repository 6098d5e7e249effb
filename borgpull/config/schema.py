"""The config file's tables and keys as the operator spells them. The JSON schema is made from these models.

Only single fields are judged here; what concerns two of them is judged in `between`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from . import address, amounts, fields, retention
from .options import BORG_PATH, BorgPath, OptionsTable
from .table import Table, secret, text

# No key, and plainly so: ssh-keygen refuses it.
PLACEHOLDER = """\
-----BEGIN OPENSSH PRIVATE KEY-----
REPLACE THIS BY YOUR PRIVATE KEY
-----END OPENSSH PRIVATE KEY-----
"""


def _jump_host_problem(host: str) -> str | None:
    return address.host_problem(host) if host else None


class JumpTable(Table):
    """A host to go through."""

    host: Annotated[str, text(address.host_problem)] = Field(
        alias="Host", examples=["jump.example.org", "jump.example.org:2222"], description="the host to go through"
    )
    known_host: Annotated[str, text(fields.known_host)] = Field(
        alias="KnownHost",
        examples=["jump.example.org ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS"],
        description="what `ssh-keyscan` prints for it",
    )
    username: Annotated[str, text(address.user_problem)] | None = Field(
        default=None, alias="Username", examples=["jump"], description="the user to log in there as, if it is another"
    )
    private_key: Annotated[SecretStr, secret(fields.private_key)] | None = Field(
        default=None,
        alias="PrivateKey",
        examples=[PLACEHOLDER],
        description="the private key to log in there with, if it is another",
    )


class ConnectionTable(Table):
    """How to reach a machine over ssh."""

    host: Annotated[str, text(address.host_problem)] = Field(
        alias="Host",
        examples=["host.example.org", "host.example.org:2222", "[2001:db8::1]:2222"],
        description="the machine to connect to: `name`, `name:port`, IPv4 or `[IPv6]:port`",
    )
    username: Annotated[str, text(address.user_problem)] = Field(
        alias="Username", examples=["root"], description="the user to log in as"
    )
    known_host: Annotated[str, text(fields.known_host)] = Field(
        alias="KnownHost",
        examples=["host.example.org ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS"],
        description="what `ssh-keyscan` prints for the host",
    )
    private_key: Annotated[SecretStr, secret(fields.private_key)] = Field(
        alias="PrivateKey", examples=[PLACEHOLDER], description="the private key to log in with, without a passphrase"
    )
    proxy_jump_host: Annotated[str, text(_jump_host_problem)] = Field(
        default="",
        alias="ProxyJumpHost",
        examples=["jump.example.org"],
        description="the host to go through; for several there is Jumps instead",
    )
    proxy_jump_known_host: str = Field(
        default="",
        alias="ProxyJumpKnownHost",
        examples=["jump.example.org ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS"],
        description="what `ssh-keyscan` prints for ProxyJumpHost",
    )
    proxy_jump_username: Annotated[str, text(address.user_problem)] | None = Field(
        default=None,
        alias="ProxyJumpUsername",
        examples=["jump"],
        description="the user to log in as on ProxyJumpHost, if it is another",
    )
    proxy_jump_private_key: Annotated[SecretStr, secret(fields.private_key)] | None = Field(
        default=None,
        alias="ProxyJumpPrivateKey",
        examples=[PLACEHOLDER],
        description="the private key to log in with on ProxyJumpHost, if it is another",
    )
    jumps: list[JumpTable] = Field(
        default=[],
        alias="Jumps",
        description="the hosts to go through, in their order, the one next to here first; not beside ProxyJumpHost",
    )
    ciphers: Annotated[str, text(fields.ciphers)] | None = Field(
        default=None,
        alias="Ciphers",
        examples=["^chacha20-poly1305@openssh.com"],
        description="the ciphers of this connection, as in ssh_config(5); if not set, AES-GCM first where this machine "
        "has AES in hardware, else chacha20-poly1305 first",
    )


class ServerTable(ConnectionTable):
    """The backup server."""

    borg_path: BorgPath = Field(default="borg", alias="BorgPath", description=BORG_PATH)
    append_socket: Annotated[str, text(fields.socket)] = Field(
        default="",
        alias="AppendSocket",
        examples=["/run/borgpull/append/{SubDir}"],
        description="where the backup server gives no shell: the unix socket there behind which systemd starts an "
        "append-only `borg serve` for a repository; `{SubDir}` is its SubDir as `systemd-escape --path` writes it",
    )
    full_socket: Annotated[str, text(fields.socket)] = Field(
        default="",
        alias="FullSocket",
        examples=["/run/borgpull/full/{SubDir}"],
        description="the same with full access, for this controller alone",
    )


class BorgTable(Table):
    """The repositories, what they keep, and where they are."""

    root_dir: Annotated[str, text(fields.root_dir)] = Field(
        alias="RootDir",
        examples=["/home/backups"],
        description="the folder on the backup server with all repositories, an absolute path",
    )
    prune_setting: Annotated[str, text(retention.problem)] = Field(
        alias="PruneSetting",
        examples=["--keep-daily 7 --keep-weekly 20 --keep-monthly 12"],
        description="what to keep, e.g. `--keep-daily 7 --keep-weekly 8`",
    )
    prune_also: list[Annotated[str, text(retention.prefix_problem)]] = Field(
        default=[],
        alias="PruneAlso",
        examples=[["home-", "mysql-"]],
        description="prefixes of other archives to prune, each by itself: only a date and time may follow them",
    )
    jobs: int = Field(default=8, alias="Jobs", ge=1, le=1000, description="how many targets run side by side")
    retries: int = Field(
        default=2, alias="Retries", ge=0, le=10, description="how often a target is tried again after a passing failure"
    )
    check_every: Annotated[str, text(amounts.cadence_problem)] = Field(
        default="7d",
        alias="CheckEvery",
        description="how often `borg check` reads a repository: `always`, `never`, or a duration such as `7d`",
    )
    root_dir_must_be_mount: bool = Field(
        default=False,
        alias="RootDirMustBeMount",
        examples=[True],
        description="whether RootDir has to be a mount point on the backup server: nothing is written where it is none",
    )
    state_dir: Annotated[str, text(fields.absolute_path)] = Field(
        default="",
        alias="StateDir",
        examples=["/var/lib/borgpull"],
        description="the folder on this controller where the ledgers are kept, with AppendSocket and FullSocket alone",
    )
    defaults: OptionsTable = Field(
        default=OptionsTable(), alias="Defaults", description="options for all targets that do not set their own"
    )
    server: ServerTable = Field(alias="Server", description="the backup server")


class NotifyTable(Table):
    """Who is told of a run. None: nobody."""

    ping: Annotated[SecretStr, secret(fields.ping)] | None = Field(
        default=None,
        alias="Ping",
        examples=["https://hc-ping.com/11111111-2222-3333-4444-555555555555"],
        description="a URL that is told of each run's start and end, as Healthchecks has it; `{shard}` in it is the I "
        "of --shard I/N",
    )
    on_finish: Annotated[str, text(fields.command)] | None = Field(
        default=None,
        alias="OnFinish",
        examples=["jq .outcome >>/var/log/backups"],
        description="a shell command that is run here after each run, with the JSON report on its stdin",
    )


class RepositoryTable(Table):
    """The repository of a target."""

    sub_dir: Annotated[str, text(fields.sub_dir)] = Field(
        alias="SubDir", examples=["web/web1"], description="the path of the repository below RootDir"
    )
    passphrase: Annotated[SecretStr, secret(fields.passphrase)] = Field(
        alias="Passphrase", description="the passphrase of the repository"
    )


class StreamTable(Table):
    """A command on the target, and what its output is called."""

    name: Annotated[str, text(fields.stream_name)] = Field(
        alias="Name", examples=["db.sql"], description="what its file is called; its archives are `@NAME-TIME`"
    )
    command: Annotated[str, text(fields.command)] = Field(
        alias="Command",
        examples=["pg_dumpall -U postgres"],
        description="a shell command on the target; when it fails, there is no archive of it",
    )


class TargetTable(OptionsTable):
    """A host to be backed up."""

    name: Annotated[str, text(fields.name)] = Field(
        alias="Name", examples=["web1"], description="what messages call the target"
    )
    source_paths: list[Annotated[str, text(fields.source_path)]] = Field(
        alias="SourcePaths",
        examples=[["/etc", "/srv"]],
        min_length=1,
        description='the paths to back up, e.g. ["/etc", "/srv"]',
    )
    excludes: list[Annotated[str, text(fields.exclude)]] = Field(
        default=[],
        alias="Excludes",
        examples=[["*.tmp", "/srv/cache"]],
        description='patterns to leave out, e.g. ["*.tmp"]',
    )
    streams: list[StreamTable] = Field(
        default=[],
        alias="Streams",
        description="commands whose output is backed up without a file on the target, such as dumps of a database",
    )
    borg_target: RepositoryTable = Field(alias="BorgTarget", description="the repository of this target")
    connection: ConnectionTable = Field(alias="Connection", description="how to reach this target")


class File(Table):
    """A whole config."""

    borg: BorgTable = Field(alias="Borg", description="the repositories and the backup server")
    notify: NotifyTable = Field(default=NotifyTable(), alias="Notify", description="who is told of a run")
    servers: list[TargetTable] = Field(alias="Servers", min_length=1, description="the targets, one [[Servers]] each")
