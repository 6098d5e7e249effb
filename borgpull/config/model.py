"""The config: each key with its type, default, rule, description and examples, and what the other rooms use of it.

A key is added here and nowhere else: the JSON schema, the example and the page of all keys are made from this. Only
single fields are judged here; what concerns two of them is judged in `between`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StrictBool, ValidationInfo
from pydantic.json_schema import SkipJsonSchema

from . import address, normalise, paths, retention, rules, units
from .address import Host
from .rules import Transport
from .table import Invalid, Table, flag, key, secret, text, whole

# No key, and plainly so: ssh-keygen refuses it.
PLACEHOLDER = """\
-----BEGIN OPENSSH PRIVATE KEY-----
REPLACE THIS BY YOUR PRIVATE KEY
-----END OPENSSH PRIVATE KEY-----
"""
_SCANNED = "ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS"


def _sound_key(value: SecretStr, info: ValidationInfo) -> SecretStr:
    _ask(info, "key", value.get_secret_value())
    return value


def _sound_known_host(value: str, info: ValidationInfo) -> str:
    """Return the entries as ssh reads them for the host before them, where that is right."""
    host = info.data.get(str(info.field_name).replace("known_host", "host"))
    if not (host and value):
        return value
    entries = normalise.known_hosts(value, port=host.port)
    _ask(info, "known_host", host.name, host.port, entries)
    return entries


def _ask(info: ValidationInfo, what: str, *value: object) -> None:
    """Ask ssh's own tools, where `read` has been given them."""
    if info.context and (problem := info.context[what](*value)):
        raise Invalid(problem)


HostAddress = Annotated[Host, text(address.host)]
Username = Annotated[str, text(address.user)]
PrivateKey = Annotated[SecretStr, secret(rules.private_key), AfterValidator(_sound_key)]
KnownHost = Annotated[str, text(rules.known_host), AfterValidator(_sound_known_host)]
BorgPath = Annotated[str, text(rules.borg_path)]
Socket = Annotated[str, text(rules.socket)]
Command = Annotated[str, text(rules.command)]
Commands = Annotated[tuple[Command, ...], Field(max_length=20, repr=False)]
Duration = Annotated[int, text(units.seconds)]
Share = Annotated[float, text(units.share)]


class Jump(Table):
    """A host to go through."""

    host: HostAddress = key("the host to go through", "jump.example.org", "jump.example.org:2222")
    known_host: KnownHost = key("what `ssh-keyscan` prints for it", f"jump.example.org {_SCANNED}")
    username: Username = key("the user to log in there as, if it is another", "jump", default="")
    private_key: PrivateKey = key(
        "the private key to log in there with, if it is another", PLACEHOLDER, default=SecretStr("")
    )
    # Those of the connection that it is on the way of, and what its keys begin with there.
    ciphers: SkipJsonSchema[str] = ""
    prefix: SkipJsonSchema[str] = ""


class Connection(Table):
    """How to reach a machine over ssh."""

    host: HostAddress = key(
        "the machine to connect to: `name`, `name:port`, IPv4 or `[IPv6]:port`",
        *("host.example.org", "host.example.org:2222", "[2001:db8::1]:2222"),
    )
    username: Username = key("the user to log in as", "root")
    known_host: KnownHost = key("what `ssh-keyscan` prints for the host", f"host.example.org {_SCANNED}")
    private_key: PrivateKey = key("the private key to log in with, without a passphrase", PLACEHOLDER)
    proxy_jump_host: Annotated[Host | None, text(lambda host: address.host(host) if host else None)] = key(
        "the host to go through; for several there is Jumps instead", "jump.example.org", default=None
    )
    proxy_jump_known_host: Annotated[str, AfterValidator(_sound_known_host)] = key(
        "what `ssh-keyscan` prints for ProxyJumpHost", f"jump.example.org {_SCANNED}", default=""
    )
    proxy_jump_username: Username = key("the user to log in as on ProxyJumpHost, if it is another", "jump", default="")
    proxy_jump_private_key: PrivateKey = key(
        "the private key to log in with on ProxyJumpHost, if it is another", PLACEHOLDER, default=SecretStr("")
    )
    listed_jumps: tuple[Jump, ...] = key(
        "the hosts to go through, in their order, the one next to here first; not beside ProxyJumpHost",
        default=(),
        alias="Jumps",
    )
    ciphers: Annotated[str, text(rules.ciphers)] = key(
        "the ciphers of this connection, as in ssh_config(5)",
        "^chacha20-poly1305@openssh.com",
        default="",
        otherwise="AES-GCM first where this machine has AES in hardware, else chacha20-poly1305 first",
    )

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """Return the hosts to go through, each with what it does not say by itself."""
        only = {name: getattr(self, f"proxy_jump_{name}") for name in ("host", "known_host", "username", "private_key")}
        found = (Jump.model_construct(prefix="ProxyJump", **only),) if self.proxy_jump_host else self.listed_jumps
        own = {"username": self.username, "private_key": self.private_key, "ciphers": self.ciphers}
        return tuple(
            jump.model_copy(update={name: getattr(jump, name) or value for name, value in own.items()})
            for jump in found
        )


class Server(Connection):
    """The backup server."""

    borg_path: BorgPath = key("the path of borg there, when it is not on the PATH", default="borg")
    append_socket: Socket = key(
        "where the backup server gives no shell: the unix socket there behind which systemd starts an append-only "
        "`borg serve` for a repository; `{SubDir}` is its SubDir as `systemd-escape --path` writes it",
        "/run/borgpull/append/{SubDir}",
        default="",
    )
    full_socket: Socket = key(
        "the same with full access, for this controller alone", "/run/borgpull/full/{SubDir}", default=""
    )


class Options(Table):
    """What can be set for each target, and for all in `[Borg.Defaults]`."""

    timeout: Duration = key("how long a whole target may take, such as `26h`", default="48h")
    # Longer than borg waits for a lock, and than it takes to write its caches.
    stall_timeout: Duration = key("how long `borg create` may move no byte", default="30m")
    quota: Annotated[str, text(units.quota)] = key(
        "how large the repository may get, such as `50G`", "50G", default="", otherwise="no limit"
    )
    gate: StrictBool = flag(
        "whether the controller reads what the target's borg asks of the backup server, and stops what is not honest"
    )
    transport: Annotated[Transport | None, text(rules.transport)] = key(
        "how its borg gets here: `forward` by its sshd, `stdio` through socat",
        "stdio",
        default=None,
        otherwise="what it allows",
    )
    sudo: StrictBool = flag("whether borg on the target runs as root, through sudo, for a user who may start borg so")
    compression: Annotated[str, text(rules.compression)] = key(
        "how borg compresses, such as `zstd`, `auto,zstd,6` or `none`", "zstd,6", default="", otherwise="`lz4`"
    )
    one_file_system: StrictBool = flag("whether to stay on the file systems of the source paths")
    exclude_caches: StrictBool = flag("whether to leave out folders with a CACHEDIR.TAG")
    warn_on_change: StrictBool = flag(
        "whether a file that changed while it was read is a warning (exit code 1), and not only counted"
    )
    shrink_limit: Share = key(
        "an archive with less than this share of the files or bytes of the last good ones is odd, and the target is "
        "held, or `off`",
        default="50%",
    )
    change_limit: Share = key(
        "an archive of which more than this share is new, as it never was, is odd, and the target is held, or `off`",
        default="50%",
    )
    grace: Annotated[int, text(units.grace)] = key(
        "how long the state before each prune and compaction is kept, or `0` for not at all", default="7d"
    )
    exclude_if_present: tuple[Annotated[str, text(rules.tag)], ...] = key(
        'names of files whose folder is left out, e.g. [".nobackup"]', [".nobackup"], default=()
    )
    patterns_from: Annotated[str, text(rules.patterns_file)] = key(
        "a file on the target with patterns of borg, an absolute path", "/etc/borg-patterns", default=""
    )
    # In KiB a second.
    upload_rate_limit: Annotated[int, text(units.rate)] = key(
        "how many bytes a second may leave the target, such as `5M`", "5M", default=0, otherwise="no limit"
    )
    files_cache: Annotated[str, text(rules.files_cache)] = key(
        "by what borg knows that a file is unchanged, such as `mtime,size`", default="ctime,size"
    )
    checkpoint_interval: Duration = key(
        "how often borg makes a checkpoint, from which an interrupted backup goes on",
        "30m",
        default=0,
        otherwise="`30m`",
    )
    lock_wait: Duration = key("how long borg waits for a repository that another borg has locked", default="60s")
    encryption: Annotated[str, text(rules.encryption)] = key(
        "how a new repository is encrypted: `repokey-blake2` or `repokey`", default="repokey-blake2"
    )
    nice: Annotated[int | None, whole(0, 19)] = key(
        "how far borg on the target stands back behind other programs: 0 to 19, as `nice` counts", 10, default=None
    )
    before: Commands = key(
        "shell commands that run on the target before its backup; one that fails ends it",
        ["systemctl stop app"],
        default=(),
    )
    after: Commands = key(
        "shell commands that run on the target after its backup, however that ended",
        ["systemctl start app"],
        default=(),
    )
    on_failure: Commands = key(
        "shell commands that run on the target when it failed", ['logger "borgpull: $BORGPULL_ERROR"'], default=()
    )
    borg_path: BorgPath = key("the path of borg there, when it is not on the PATH", default="borg")


class Repository(Table):
    """The repository of a target."""

    sub_dir: Annotated[str, text(rules.sub_dir)] = key("the path of the repository below RootDir", "web/web1")
    passphrase: Annotated[SecretStr, secret(rules.passphrase)] = key("the passphrase of the repository")


class Stream(Table):
    """A command on the target, and what its output is called."""

    name: Annotated[str, text(rules.stream_name)] = key(
        "what its file is called; its archives are `@NAME-TIME`", "db.sql"
    )
    command: Command = key(
        "a shell command on the target; when it fails, there is no archive of it", "pg_dumpall -U postgres", repr=False
    )


class Target(Options):
    """A host to be backed up."""

    name: Annotated[str, text(rules.name)] = key("what messages call the target", "web1")
    source_paths: tuple[Annotated[str, text(rules.source_path)], ...] = key(
        'the paths to back up, e.g. ["/etc", "/srv"]', ["/etc", "/srv"], min_length=1
    )
    excludes: tuple[Annotated[str, text(rules.exclude)], ...] = key(
        'patterns to leave out, e.g. ["*.tmp"]', ["*.tmp", "/srv/cache"], default=()
    )
    streams: tuple[Stream, ...] = key(
        "commands whose output is backed up without a file on the target, such as dumps of a database", default=()
    )
    borg_target: Repository = key("the repository of this target")
    connection: Connection = key("how to reach this target")

    @property
    def sudo_user(self) -> str:
        """Return the user whose sudo makes borg run as root there; empty where borg runs as the user itself."""
        return self.connection.username if self.sudo else ""


class Notify(Table):
    """Who is told of a run. None: nobody."""

    ping: Annotated[SecretStr | None, secret(rules.ping)] = key(
        "a URL that is told of each run's start and end, as Healthchecks has it; `{shard}` in it is the I of "
        "--shard I/N",
        "https://hc-ping.com/11111111-2222-3333-4444-555555555555",
        default=None,
    )
    on_finish: Command = key(
        "a shell command that is run here after each run, with the JSON report on its stdin",
        "jq .outcome >>/var/log/backups",
        default="",
    )


class Borg(Table):
    """The repositories, what they keep, and where they are."""

    root_dir: Annotated[str, text(rules.root_dir)] = key(
        "the folder on the backup server with all repositories, an absolute path", "/home/backups"
    )
    prune_options: Annotated[tuple[str, ...], text(retention.options)] = key(
        "what to keep, e.g. `--keep-daily 7 --keep-weekly 8`",
        "--keep-daily 7 --keep-weekly 20 --keep-monthly 12",
        alias="PruneSetting",
    )
    prune_also: tuple[Annotated[str, text(retention.prefix)], ...] = key(
        "prefixes of other archives to prune, each by itself: only a date and time may follow them",
        ["home-", "mysql-"],
        default=(),
    )
    jobs: Annotated[int, whole(1, 1000)] = key("how many targets run side by side", default=8)
    retries: Annotated[int, whole(0, 10)] = key("how often a target is tried again after a passing failure", default=2)
    # In seconds: 0 for in every run, infinity for never.
    check_every: Annotated[float, text(units.cadence)] = key(
        "how often `borg check` reads a repository: `always`, `never`, or a duration", default="7d"
    )
    check_max_duration: Duration = key(
        "how long a run reads segments for a check, such as `2h`; the next run goes on with it",
        "2h",
        default=0,
        otherwise="to their end",
    )
    min_free: Annotated[int, text(units.size)] = key(
        "how much of the disk of the backup server stays free at the least",
        "20G",
        default=0,
        otherwise="what borg needs to prune and compact, about 610 MB",
    )
    root_dir_must_be_mount: StrictBool = flag(
        "whether RootDir has to be a mount point on the backup server: nothing is written where it is none"
    )
    state_dir: Annotated[str, text(rules.absolute_path)] = key(
        "the folder on this controller where the ledgers are kept, with AppendSocket and FullSocket alone",
        "/var/lib/borgpull",
        default="",
    )
    defaults: Options = key("options for all targets that do not set their own", default_factory=Options)
    server: Server = key("the backup server")


class File(Table):
    """A whole config."""

    borg: Borg = key("the repositories and the backup server")
    notify: Notify = key("who is told of a run", default_factory=Notify)
    servers: tuple[Target, ...] = key("the targets, one [[Servers]] each", min_length=1)


class Config(Borg):
    """A whole config as the other rooms use it: [Borg], the targets with its defaults, and [Notify]."""

    targets: tuple[Target, ...]
    notify: Notify

    @property
    def sockets(self) -> bool:
        """Tell whether B gives no shell: its serves are behind sockets, and the ledgers are kept on C."""
        return bool(self.server.append_socket)

    def socket_of(self, target: Target, *, append_only: bool) -> str:
        """Return the socket on B of the target's repository; "" where B gives a shell."""
        socket = self.server.append_socket if append_only else self.server.full_socket
        return paths.socket_of(socket, target.borg_target.sub_dir)

    def repository_path(self, target: Target) -> str:
        """Return the normalised absolute path of the target's repository on B."""
        return paths.repository_path(self.root_dir, target.borg_target.sub_dir)

    def repository_url(self, target: Target) -> str:
        """Return the URL of the target's repository, letter for letter as the Go ancestor spelled it.

        Borg remembers it: any other spelling makes it ask whether the repository was relocated.
        """
        return f"ssh://borg-server/{self.root_dir}/{target.borg_target.sub_dir}"
