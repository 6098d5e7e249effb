"""The config file's tables and keys as the operator spells them. The JSON schema is made from these models.

Only single fields are judged here; what concerns two of them is judged in `between`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from . import address, amounts, creation, fields, retention, sockets

RULE = "borgpull_rule"
Rule = Callable[[str], str | None]


def _text(rule: Rule) -> AfterValidator:
    def obey(value: str) -> str:
        _raise(rule(value))
        return value

    return AfterValidator(obey)


def _secret(rule: Rule) -> AfterValidator:
    def obey(value: SecretStr) -> SecretStr:
        _raise(rule(value.get_secret_value()))
        return value

    return AfterValidator(obey)


def _raise(problem: str | None) -> None:
    if problem is not None:
        raise PydanticCustomError(RULE, "{problem}", {"problem": problem})


def _jump_host_problem(text: str) -> str | None:
    return address.host_problem(text) if text else None


BorgPath = Annotated[str, _text(fields.borg_path)]
Commands = Annotated[list[Annotated[str, _text(fields.command)]], Field(max_length=20)]
Duration = Annotated[str, _text(amounts.duration_problem)]
# No key, and plainly so: ssh-keygen refuses it.
PLACEHOLDER = """\
-----BEGIN OPENSSH PRIVATE KEY-----
REPLACE THIS BY YOUR PRIVATE KEY
-----END OPENSSH PRIVATE KEY-----
"""
BORG_PATH = "the path of borg there, when it is not on the PATH"


class Table(BaseModel):
    """A table: nothing but the keys that it knows, of the types that it names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class JumpTable(Table):
    """A host to go through."""

    host: Annotated[str, _text(address.host_problem)] = Field(
        alias="Host", examples=["jump.example.org", "jump.example.org:2222"], description="the host to go through"
    )
    known_host: Annotated[str, _text(fields.known_host)] = Field(
        alias="KnownHost",
        examples=["jump.example.org ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS"],
        description="what `ssh-keyscan` prints for it",
    )
    username: Annotated[str, _text(address.user_problem)] | None = Field(
        default=None, alias="Username", examples=["jump"], description="the user to log in there as, if it is another"
    )
    private_key: Annotated[SecretStr, _secret(fields.private_key)] | None = Field(
        default=None,
        alias="PrivateKey",
        examples=[PLACEHOLDER],
        description="the private key to log in there with, if it is another",
    )


class ConnectionTable(Table):
    """How to reach a machine over ssh."""

    host: Annotated[str, _text(address.host_problem)] = Field(
        alias="Host",
        examples=["host.example.org", "host.example.org:2222", "[2001:db8::1]:2222"],
        description="the machine to connect to: `name`, `name:port`, IPv4 or `[IPv6]:port`",
    )
    username: Annotated[str, _text(address.user_problem)] = Field(
        alias="Username", examples=["root"], description="the user to log in as"
    )
    known_host: Annotated[str, _text(fields.known_host)] = Field(
        alias="KnownHost",
        examples=["host.example.org ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS"],
        description="what `ssh-keyscan` prints for the host",
    )
    private_key: Annotated[SecretStr, _secret(fields.private_key)] = Field(
        alias="PrivateKey", examples=[PLACEHOLDER], description="the private key to log in with, without a passphrase"
    )
    proxy_jump_host: Annotated[str, _text(_jump_host_problem)] = Field(
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
    proxy_jump_username: Annotated[str, _text(address.user_problem)] | None = Field(
        default=None,
        alias="ProxyJumpUsername",
        examples=["jump"],
        description="the user to log in as on ProxyJumpHost, if it is another",
    )
    proxy_jump_private_key: Annotated[SecretStr, _secret(fields.private_key)] | None = Field(
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
    ciphers: Annotated[str, _text(fields.ciphers)] | None = Field(
        default=None,
        alias="Ciphers",
        examples=["^chacha20-poly1305@openssh.com"],
        description="the ciphers of this connection, as in ssh_config(5); if not set, AES-GCM first where this machine "
        "has AES in hardware, else chacha20-poly1305 first",
    )


class ServerTable(ConnectionTable):
    """The backup server."""

    borg_path: BorgPath = Field(default="borg", alias="BorgPath", description=BORG_PATH)
    append_socket: Annotated[str, _text(sockets.problem)] = Field(
        default="",
        alias="AppendSocket",
        examples=["/run/borgpull/append/{SubDir}"],
        description="where the backup server gives no shell: the unix socket there behind which systemd starts an "
        "append-only `borg serve` for a repository; `{SubDir}` is its SubDir as `systemd-escape --path` writes it",
    )
    full_socket: Annotated[str, _text(sockets.problem)] = Field(
        default="",
        alias="FullSocket",
        examples=["/run/borgpull/full/{SubDir}"],
        description="the same with full access, for this controller alone",
    )


class OptionsTable(Table):
    """What can be set for each target, and for all in `[Borg.Defaults]`. None: as the defaults say, or borgpull."""

    timeout: Duration | None = Field(
        default=None,
        alias="Timeout",
        examples=["48h"],
        description="how long a whole target may take, such as `26h`; `48h` if not set",
    )
    stall_timeout: Duration | None = Field(
        default=None,
        alias="StallTimeout",
        examples=["30m"],
        description="how long `borg create` may move no byte, such as `30m`, which it is if not set",
    )
    quota: Annotated[str, _text(amounts.quota_problem)] | None = Field(
        default=None,
        alias="Quota",
        examples=["50G"],
        description="how large the repository may get, such as `50G`; no limit if not set",
    )
    gate: bool | None = Field(
        default=None,
        alias="Gate",
        examples=[True],
        description="whether C reads what the target's borg asks of the backup server, and stops what no honest backup "
        "asks for; false if not set",
    )
    road: Annotated[str, _text(fields.road)] | None = Field(
        default=None,
        alias="Road",
        examples=["stdio"],
        description="how its borg gets here: `forward` by its sshd, `stdio` through socat; if not set, what it allows",
    )
    compression: Annotated[str, _text(creation.compression_problem)] | None = Field(
        default=None,
        alias="Compression",
        examples=["zstd,6"],
        description="how borg compresses, such as `zstd`, `auto,zstd,6` or `none`; `lz4` if not set",
    )
    one_file_system: bool | None = Field(
        default=None,
        alias="OneFileSystem",
        examples=[True],
        description="whether to stay on the file systems of the source paths; false if not set",
    )
    exclude_caches: bool | None = Field(
        default=None,
        alias="ExcludeCaches",
        examples=[True],
        description="whether to leave out folders with a CACHEDIR.TAG; false if not set",
    )
    exclude_if_present: list[Annotated[str, _text(creation.tag_problem)]] | None = Field(
        default=None,
        alias="ExcludeIfPresent",
        examples=[[".nobackup"]],
        description='names of files whose folder is left out, e.g. [".nobackup"]',
    )
    patterns_from: Annotated[str, _text(creation.patterns_file_problem)] | None = Field(
        default=None,
        alias="PatternsFrom",
        examples=["/etc/borg-patterns"],
        description="a file on the target with patterns of borg, an absolute path",
    )
    upload_rate_limit: Annotated[str, _text(amounts.rate_problem)] | None = Field(
        default=None,
        alias="UploadRateLimit",
        examples=["5M"],
        description="how many bytes a second may leave the target, such as `5M`; no limit if not set",
    )
    files_cache: Annotated[str, _text(creation.files_cache_problem)] | None = Field(
        default=None,
        alias="FilesCache",
        examples=["ctime,size"],
        description="by what borg knows that a file is unchanged, such as `mtime,size`; `ctime,size` if not set",
    )
    checkpoint_interval: Duration | None = Field(
        default=None,
        alias="CheckpointInterval",
        examples=["30m"],
        description="how often borg makes a checkpoint, from which an interrupted backup goes on; `30m` if not set",
    )
    lock_wait: Duration | None = Field(
        default=None,
        alias="LockWait",
        examples=["60s"],
        description="how long borg waits for a repository that another borg has locked; `60s` if not set",
    )
    encryption: Annotated[str, _text(creation.encryption_problem)] | None = Field(
        default=None,
        alias="Encryption",
        examples=["repokey-blake2"],
        description="how a new repository is encrypted: `repokey-blake2`, which it is if not set, or `repokey`",
    )
    nice: int | None = Field(
        default=None,
        alias="Nice",
        ge=0,
        le=19,
        examples=[10],
        description="how far borg on the target stands back behind other programs: 0 to 19, as `nice` counts",
    )
    before: Commands | None = Field(
        default=None,
        alias="Before",
        examples=[["systemctl stop app"]],
        description="shell commands that run on the target before its backup; one that fails ends it",
    )
    after: Commands | None = Field(
        default=None,
        alias="After",
        examples=[["systemctl start app"]],
        description="shell commands that run on the target after its backup, however that ended",
    )
    on_failure: Commands | None = Field(
        default=None,
        alias="OnFailure",
        examples=[['logger "borgpull: $BORGPULL_ERROR"']],
        description="shell commands that run on the target when it failed",
    )
    borg_path: BorgPath | None = Field(
        default=None, alias="BorgPath", examples=["/opt/borg/bin/borg"], description=BORG_PATH
    )


class BorgTable(Table):
    """The repositories, what they keep, and where they are."""

    root_dir: Annotated[str, _text(fields.root_dir)] = Field(
        alias="RootDir",
        examples=["/home/backups"],
        description="the folder on the backup server with all repositories, an absolute path",
    )
    prune_setting: Annotated[str, _text(retention.problem)] = Field(
        alias="PruneSetting",
        examples=["--keep-daily 7 --keep-weekly 20 --keep-monthly 12"],
        description="what to keep, e.g. `--keep-daily 7 --keep-weekly 8`",
    )
    jobs: int = Field(default=8, alias="Jobs", ge=1, le=1000, description="how many targets run side by side")
    retries: int = Field(
        default=2, alias="Retries", ge=0, le=10, description="how often a target is tried again after a passing failure"
    )
    check_every: Annotated[str, _text(amounts.cadence_problem)] = Field(
        default="7d",
        alias="CheckEvery",
        description="how often `borg check` reads a repository: `always`, `never`, or a duration such as `7d`",
    )
    state_dir: Annotated[str, _text(fields.state_dir)] = Field(
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

    ping: Annotated[SecretStr, _secret(fields.ping)] | None = Field(
        default=None,
        alias="Ping",
        examples=["https://hc-ping.com/11111111-2222-3333-4444-555555555555"],
        description="a URL that is told of each run's start and end, as Healthchecks has it; `{shard}` in it is the I "
        "of --shard I/N",
    )
    on_finish: Annotated[str, _text(fields.command)] | None = Field(
        default=None,
        alias="OnFinish",
        examples=["jq .outcome >>/var/log/backups"],
        description="a shell command that is run here after each run, with the JSON report on its stdin",
    )


class RepositoryTable(Table):
    """The repository of a target."""

    sub_dir: Annotated[str, _text(fields.sub_dir)] = Field(
        alias="SubDir", examples=["web/web1"], description="the path of the repository below RootDir"
    )
    passphrase: Annotated[SecretStr, _secret(fields.passphrase)] = Field(
        alias="Passphrase", description="the passphrase of the repository"
    )


class TargetTable(OptionsTable):
    """A host to be backed up."""

    name: Annotated[str, _text(fields.name)] = Field(
        alias="Name", examples=["web1"], description="what messages call the target"
    )
    source_paths: list[Annotated[str, _text(fields.source_path)]] = Field(
        alias="SourcePaths",
        examples=[["/etc", "/srv"]],
        min_length=1,
        description='the paths to back up, e.g. ["/etc", "/srv"]',
    )
    excludes: list[Annotated[str, _text(fields.exclude)]] = Field(
        default=[],
        alias="Excludes",
        examples=[["*.tmp", "/srv/cache"]],
        description='patterns to leave out, e.g. ["*.tmp"]',
    )
    borg_target: RepositoryTable = Field(alias="BorgTarget", description="the repository of this target")
    connection: ConnectionTable = Field(alias="Connection", description="how to reach this target")


class File(Table):
    """A whole config."""

    borg: BorgTable = Field(alias="Borg", description="the repositories and the backup server")
    notify: NotifyTable = Field(default=NotifyTable(), alias="Notify", description="who is told of a run")
    servers: list[TargetTable] = Field(alias="Servers", min_length=1, description="the targets, one [[Servers]] each")
