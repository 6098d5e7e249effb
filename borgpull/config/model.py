"""The config: each key with its type, default, rule, description and examples, and what the other rooms use of it.

Add a key here and nowhere else: the JSON schema, the example and the reference page are made from this. Rules judge
single fields; what concerns two of them is in `cross_checks`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StrictBool, ValidationInfo
from pydantic.alias_generators import to_pascal
from pydantic.json_schema import SkipJsonSchema

from . import address, retention, rules, units
from .address import Host
from .model_fields import Invalid, Table, flag, key, secret, text, whole
from .rules import Transport

# Nobody can take it for a key: ssh-keygen refuses it.
PLACEHOLDER = """\
-----BEGIN OPENSSH PRIVATE KEY-----
REPLACE THIS BY YOUR PRIVATE KEY
-----END OPENSSH PRIVATE KEY-----
"""
_NO_KEY = SecretStr("")
_SCANNED = "ssh-ed25519 REPLACE-THIS-BY-WHAT-SSH-KEYSCAN-PRINTS"
_SIGNED = "ssh-ed25519-cert-v01@openssh.com REPLACE-THIS-BY-THE-FILE-FROM-YOUR-CA"


def _accepted_key(value: SecretStr, info: ValidationInfo) -> SecretStr:
    _ask_ssh(info, "key", value.get_secret_value())
    return value


def _accepted_known_host(value: str, info: ValidationInfo) -> str:
    """Return the entries as ssh reads them for the host field before them, when that is valid."""
    host = info.data.get(str(info.field_name).replace("known_host", "host"))
    if not (host and value):
        return value
    entries = rules.entries_for_ssh(value, port=host.port)
    _ask_ssh(info, "known_host", host.name, host.port, entries)
    return entries


def _accepted_certificate(value: str, info: ValidationInfo) -> str:
    """Judge a certificate with the key field before it, when that is valid. A run judges its dates."""
    if value:
        _ask_ssh(info, "key", info.data.get("private_key", _NO_KEY).get_secret_value(), value)
    return value


def _ask_ssh(info: ValidationInfo, what: str, *value: object) -> None:
    """Have ssh's own tools judge a value, where `read` was given them."""
    if info.context and (problem := info.context[what](*value)):
        raise Invalid(problem)


HostAddress = Annotated[Host, text(address.host)]
Username = Annotated[str, text(address.user)]
PrivateKey = Annotated[SecretStr, secret(rules.private_key), AfterValidator(_accepted_key)]
_CERTIFICATE = key("the OpenSSH certificate of the private key, where sshd trusts a CA", _SIGNED, default="")
Certificate = Annotated[str, text(str.strip), AfterValidator(_accepted_certificate), _CERTIFICATE]
KnownHost = Annotated[str, text(rules.known_host), AfterValidator(_accepted_known_host)]
BorgPath = Annotated[str, text(rules.borg_path)]
Algorithms = Annotated[str, text(rules.algorithms)]
Socket = Annotated[str, text(rules.socket)]
Command = Annotated[str, text(rules.command)]
Commands = Annotated[tuple[Command, ...], Field(max_length=20, repr=False)]
Duration = Annotated[int, text(units.seconds)]
Share = Annotated[float, text(units.share)]
PruneSetting = Annotated[tuple[str, ...], text(retention.options)]
GroupName = Annotated[str, text(rules.group)]


class Jump(Table):
    """A jump host."""

    host: HostAddress = key("the jump host", "jump.example.org", "jump.example.org:2222")
    known_host: KnownHost = key("the output of `ssh-keyscan` for it", f"jump.example.org {_SCANNED}")
    username: Username = key("the user to log in as there", "jump", default="", unset="the connection's")
    private_key: PrivateKey = key(
        "the private key to log in with there", PLACEHOLDER, default=_NO_KEY, unset="the connection's"
    )
    certificate: Certificate
    # Set by the connection that it belongs to; `prefix` is what its keys begin with there.
    algorithms: SkipJsonSchema[dict[str, str]] = Field({})
    prefix: SkipJsonSchema[str] = ""
    private_key_command: SkipJsonSchema[str] = ""


class Connection(Table):
    """How to reach a machine over ssh."""

    host: HostAddress = key(
        "the machine to connect to: `name`, `name:port`, IPv4 or `[IPv6]:port`",
        *("host.example.org", "host.example.org:2222", "[2001:db8::1]:2222"),
    )
    username: Username = key("the user to log in as", "root")
    known_host: KnownHost = key("the output of `ssh-keyscan` for the host", f"host.example.org {_SCANNED}")
    private_key: PrivateKey = key("the private key to log in with, without a passphrase", PLACEHOLDER, default=_NO_KEY)
    certificate: Certificate
    private_key_command: Command = key(
        "a shell command on the controller that prints the key, and its certificate", "/usr/local/bin/key", default=""
    )
    proxy_jump_host: Annotated[Host | None, text(lambda host: address.host(host) if host else None)] = key(
        "the jump host; for several, use Jumps", "jump.example.org", default=None
    )
    proxy_jump_known_host: Annotated[str, AfterValidator(_accepted_known_host)] = key(
        "the output of `ssh-keyscan` for ProxyJumpHost", f"jump.example.org {_SCANNED}", default=""
    )
    proxy_jump_username: Username = key("the user on ProxyJumpHost", "jump", default="", unset="the connection's")
    proxy_jump_private_key: PrivateKey = key(
        "the private key to log in with on ProxyJumpHost", PLACEHOLDER, default=_NO_KEY, unset="the connection's"
    )
    listed_jumps: tuple[Jump, ...] = key(
        "the jump hosts, the nearest to the controller first; instead of ProxyJumpHost", default=(), alias="Jumps"
    )
    ciphers: Algorithms = key(
        "the ciphers of this connection, as in ssh_config(5)",
        "^chacha20-poly1305@openssh.com",
        default="",
        unset="AES-GCM first if the controller has AES in hardware, else chacha20-poly1305 first",
    )
    host_key_algorithms: Algorithms = key("the kinds of host keys, likewise", "+ssh-rsa", default="")
    kex_algorithms: Algorithms = key("the key exchange methods, likewise", "+diffie-hellman-group14-sha1", default="")
    pubkey_accepted_algorithms: Algorithms = key("the signatures to log in with, likewise", "+ssh-rsa", default="")

    @property
    def algorithms(self) -> dict[str, str]:
        """Return the lists of algorithms that are set, by their keys, which are options of ssh."""
        names = ("ciphers", "host_key_algorithms", "kex_algorithms", "pubkey_accepted_algorithms")
        return {to_pascal(name): getattr(self, name) for name in names if getattr(self, name)}

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """Return the jump hosts, each with what it does not set itself."""
        only = {name: getattr(self, f"proxy_jump_{name}") for name in ("host", "known_host", "username", "private_key")}
        found = (Jump.model_construct(prefix="ProxyJump", **only),) if self.proxy_jump_host else self.listed_jumps
        own = {"username": self.username, "algorithms": self.algorithms}
        login = {name: getattr(self, name) for name in ("private_key", "private_key_command", "certificate")}
        return tuple(
            jump.model_copy(update={name: getattr(jump, name) or value for name, value in missing.items()})
            for jump in found
            for missing in [own if jump.private_key else own | login]
        )


class Server(Connection):
    """The backup server."""

    username: Username = key("the user to log in as, who owns the repositories", "borg")
    borg_path: BorgPath = key("the path of borg there", default="borg")
    append_socket: Socket = key(
        "where the backup server gives no shell: the unix socket there behind which systemd starts an append-only "
        "`borg serve` for a repository; `{SubDir}` is its SubDir as `systemd-escape --path` prints it",
        "/run/borgpull/append/{SubDir}",
        default="",
    )
    full_socket: Socket = key("such a socket with full access", "/run/borgpull/full/{SubDir}", default="")


class Options(Table):
    """The options of a target; in `[Borg.Defaults]` of all targets, and in `[Borg.Groups.NAME]` of a group of them."""

    prune_options: PruneSetting = key(
        "the archives to keep, as options of `borg prune`",
        "--keep-daily 7 --keep-monthly 12",
        default=(),
        unset="that of [Borg]",
        alias="PruneSetting",
    )
    timeout: Duration = key("the time limit for all steps of a target together", default="48h")
    # Longer than borg waits for a lock, and than it takes to write its caches.
    stall_timeout: Duration = key("how long `borg create` may transfer nothing before it counts as hung", default="30m")
    every: Duration = key(
        "how long after an attempt that came as far as `borg create` the next one is due; a run skips what is not due",
        "20h",
        default=0,
        unset="due in every run",
    )
    may_be_absent: Duration = key(
        "how old the last good archive may get while the target cannot be reached, as a laptop or test machine",
        "7d",
        default=0,
        unset="a target that cannot be reached has failed",
    )
    quota: Annotated[str, text(units.quota)] = key("the largest size of the repository", "50G", default="")
    gate: StrictBool = flag("whether the controller inspects the target's borg session and stops a dishonest one")
    transport: Annotated[Transport | None, text(rules.transport)] = key(
        "how the target's borg reaches the controller: `forward` (its sshd forwards a unix socket) or `stdio` (socat)",
        "stdio",
        default=None,
        unset="`forward` if its sshd allows it, else `stdio`",
    )
    sudo: StrictBool = flag("whether borg on the target runs as root, through sudo")
    compression: Annotated[str, text(rules.compression)] = key(
        "the compression, as `borg create` takes it: `zstd`, `auto,zstd,6`, `none`", "zstd,6", default="", unset="`lz4`"
    )
    one_file_system: StrictBool = flag("whether to stay on the file systems of the source paths")
    exclude_caches: StrictBool = flag("whether to leave out folders with a CACHEDIR.TAG")
    warn_on_change: StrictBool = flag("whether a file that changed while borg read it is a warning (exit code 1)")
    shrink_limit: Share = key(
        "an archive with less than this share of the files or bytes of the last good ones is odd, and the target is "
        "held; `off` for no limit",
        default="50%",
    )
    change_limit: Share = key(
        "an archive with more new content than this share, and more than ever before, is odd, and the target is held; "
        "`off` for no limit",
        default="50%",
    )
    grace: Annotated[int, text(units.grace)] = key(
        "how long to keep the state before each prune and compaction; `0` to keep none", default="7d"
    )
    exclude_if_present: tuple[Annotated[str, text(rules.tag)], ...] = key(
        "file names; a folder with such a file is left out", [".nobackup"], default=()
    )
    patterns_from: Annotated[str, text(rules.patterns_file)] = key(
        "the absolute path of a file of borg patterns on the target", "/etc/borg-patterns", default=""
    )
    # In KiB per second.
    upload_rate_limit: Annotated[int, text(units.rate)] = key(
        "the most bytes per second that borg sends from the target", "5M", default=0, unset="no limit"
    )
    files_cache: Annotated[str, text(rules.files_cache)] = key(
        "how borg detects unchanged files, as `borg create --files-cache` takes it", default="ctime,size"
    )
    checkpoint_interval: Duration = key("the time between two checkpoints of borg", "30m", default=0, unset="`30m`")
    lock_wait: Duration = key("how long borg waits for a repository that another borg has locked", default="60s")
    encryption: Annotated[str, text(rules.encryption)] = key(
        "the encryption of a new repository: `repokey-blake2` or `repokey`", default="repokey-blake2"
    )
    nice: Annotated[int | None, whole(0, 19)] = key(
        "the niceness of borg on the target, from 0 to 19", 10, default=None, unset="that of its ssh sessions"
    )
    before: Commands = key(
        "shell commands to run on the target before its backup; a failure ends it", ["systemctl stop app"], default=()
    )
    after: Commands = key(
        "shell commands to run on the target after its backup, in any outcome", ["systemctl start app"], default=()
    )
    on_failure: Commands = key("shell commands on the target when it failed", ['logger "$BORGPULL_ERROR"'], default=())
    borg_path: BorgPath = key("the path of borg there", default="borg")
    socat_path: Annotated[str, text(rules.socat_path)] = key("the path of socat there", default="socat")


class Repository(Table):
    """The repository of a target."""

    sub_dir: Annotated[str, text(rules.sub_dir)] = key("the path of the repository below RootDir", "web/web1")
    passphrase: Annotated[SecretStr, secret(rules.passphrase)] = key("the passphrase of the repository")


class Stream(Table):
    """A command on the target, and the name of its output."""

    name: Annotated[str, text(rules.stream_name)] = key(
        "the name of the file with its output; its archives are called `@NAME-TIME`", "db.sql"
    )
    command: Command = key(
        "a shell command on the target; if it fails, there is no archive of it", "pg_dumpall -U postgres", repr=False
    )


class Target(Options):
    """A host to back up."""

    name: Annotated[str, text(rules.name)] = key("the name of the target in messages", "web1")
    group: GroupName = key("its group, whose options it has: a [Borg.Groups.NAME]", "laptops", default="")
    source_paths: tuple[Annotated[str, text(rules.source_path)], ...] = key(
        "the paths to back up", ["/etc", "/srv"], min_length=1
    )
    excludes: tuple[Annotated[str, text(rules.exclude)], ...] = key(
        "borg patterns to leave out", ["*.tmp", "/srv/cache"], default=()
    )
    streams: tuple[Stream, ...] = key("commands whose output to back up, such as database dumps", default=())
    borg_target: Repository = key("the repository of this target")
    connection: Connection = key("how to reach this target")

    @property
    def sudo_user(self) -> str:
        """Return the user whose sudo runs borg as root there; empty where borg runs without it."""
        return self.connection.username if self.sudo else ""


class Notify(Table):
    """What to notify of a run."""

    ping: Annotated[SecretStr, secret(rules.ping)] = key(
        "the URL of a monitor for the start and end of each run, as Healthchecks has it; `{shard}` in it is the I of "
        "--shard I/N",
        "https://hc-ping.com/11111111-2222-3333-4444-555555555555",
        default=SecretStr(""),
    )
    on_finish: Command = key(
        "a shell command to run on the controller after each run, with the JSON report on its stdin",
        "jq .outcome >>/var/log/backups",
        default="",
    )


class Borg(Table):
    """The repositories, what to keep, and where they are."""

    root_dir: Annotated[str, text(rules.root_dir)] = key(
        "the absolute path of the folder on the backup server with all repositories", "/home/backups"
    )
    prune_options: PruneSetting = key(
        "the archives to keep, as options of `borg prune`",
        "--keep-daily 7 --keep-monthly 12",
        default=(),
        unset="each target needs its own",
        alias="PruneSetting",
    )
    prune_also: tuple[Annotated[str, text(retention.prefix)], ...] = key(
        "prefixes of other archives to prune; only a date and time may follow one", ["home-", "mysql-"], default=()
    )
    jobs: Annotated[int, whole(1, 1000)] = key("how many targets run at the same time", default=8)
    retries: Annotated[int, whole(0, 10)] = key("how often to retry a target after a transient failure", default=2)
    server_patience: Annotated[int, text(units.grace)] = key(
        "how long a run waits for a backup server that is away (a reboot); `0` to give up at once", default="10m"
    )
    # In seconds: 0 for in every run, infinity for never.
    check_every: Annotated[float, text(units.cadence)] = key(
        "how often to run `borg check` on a repository: `always`, `never`, or a duration", default="7d"
    )
    prune_every: Annotated[float, text(units.cadence)] = key(
        "how often to prune and compact a repository, likewise; at once when room gets short", default="7d"
    )
    check_max_duration: Duration = key(
        "how long a run reads segments for a check; the next run continues", "2h", default=0, unset="to their end"
    )
    min_free: Annotated[int, text(units.size)] = key(
        "the space to leave free on the backup server",
        "20G",
        default=0,
        unset="what prune and compact need, about 610 MB",
    )
    root_dir_must_be_mount: StrictBool = flag("whether RootDir has to be a mount point, else nothing is written")
    state_dir: Annotated[str, text(rules.absolute_path)] = key(
        "the controller's folder for ledgers, only with AppendSocket and FullSocket", "/var/lib/borgpull", default=""
    )
    defaults: Options = key("options of all targets that do not set their own", default_factory=Options)
    server: Server = key("the backup server")


class BorgTable(Borg):
    """[Borg] as a config has it. The options of a group are merged into its targets."""

    groups: dict[str, Options] = key(
        "options of the targets of a group; they win over `[Borg.Defaults]`, and those of a target over both",
        default_factory=dict,
    )


class File(Table):
    """A whole config."""

    borg: BorgTable = key("the repositories and the backup server")
    notify: Notify = key("what to notify of a run", default_factory=Notify)
    servers: tuple[Target, ...] = key("the targets, one [[Servers]] each", min_length=1)


class Config(Borg):
    """A whole config as the other rooms use it: [Borg], the targets with their defaults, and [Notify]."""

    targets: tuple[Target, ...]
    notify: Notify

    @property
    def sockets(self) -> bool:
        """Tell whether the backup server gives no shell: borg serve is behind sockets, the ledgers are here."""
        return bool(self.server.append_socket)

    def socket_of(self, target: Target, *, append_only: bool) -> str:
        """Return the socket of the target's repository on the backup server; "" where that gives a shell."""
        socket = self.server.append_socket if append_only else self.server.full_socket
        return address.socket_of(socket, target.borg_target.sub_dir)

    def repository_path(self, target: Target) -> str:
        """Return the normalised absolute path of the target's repository on the backup server."""
        return address.repository_path(self.root_dir, target.borg_target.sub_dir)

    def repository_url(self, target: Target) -> str:
        """Return the URL of the target's repository, exactly as the Go ancestor spelled it.

        Borg remembers it: with any other spelling it asks whether the repository was relocated.
        """
        return f"ssh://borg-server/{self.root_dir}/{target.borg_target.sub_dir}"
