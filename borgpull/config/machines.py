"""How a machine is reached, as the config's keys say it: the tables of B, of a target's connection, of a jump host."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from . import address, fields, sockets
from .table import Table, secret, text

BorgPath = Annotated[str, text(fields.borg_path)]
# No key, and plainly so: ssh-keygen refuses it.
PLACEHOLDER = """\
-----BEGIN OPENSSH PRIVATE KEY-----
REPLACE THIS BY YOUR PRIVATE KEY
-----END OPENSSH PRIVATE KEY-----
"""
BORG_PATH = "the path of borg there, when it is not on the PATH"


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
    append_socket: Annotated[str, text(sockets.problem)] = Field(
        default="",
        alias="AppendSocket",
        examples=["/run/borgpull/append/{SubDir}"],
        description="where the backup server gives no shell: the unix socket there behind which systemd starts an "
        "append-only `borg serve` for a repository; `{SubDir}` is its SubDir as `systemd-escape --path` writes it",
    )
    full_socket: Annotated[str, text(sockets.problem)] = Field(
        default="",
        alias="FullSocket",
        examples=["/run/borgpull/full/{SubDir}"],
        description="the same with full access, for this controller alone",
    )
