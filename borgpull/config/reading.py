"""The way through the room: text, tables, single fields, fields between each other, settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import SecretStr

from ..errors import ConfigError
from . import address, amounts, keytext, retention
from .between import CheckKey, CheckKnownHost, Sound, problems
from .document import parsed
from .keys import folded
from .options import OptionsTable
from .problem import told
from .schema import BorgTable, ConnectionTable, File, JumpTable, TargetTable
from .settings import Config, Connection, Jump, Notify, Options, Road, Sockets, Stream, Target
from .wording import validated

# What an option means, where that is not what it says.
_MEANT: dict[str, Callable[[Any], Any]] = {
    "timeout": amounts.seconds,
    "stall_timeout": amounts.seconds,
    "checkpoint_interval": amounts.seconds,
    "lock_wait": amounts.seconds,
    "upload_rate_limit": amounts.rate,
    "shrink_limit": amounts.share,
    "change_limit": amounts.share,
    "grace": amounts.grace,
    "exclude_if_present": tuple,
    "road": Road,
    "before": tuple,
    "after": tuple,
    "on_failure": tuple,
}


def read(text: str, *, check_key: CheckKey, check_known_host: CheckKnownHost) -> Config:
    """Return the settings that a config says.

    `check_key(key)` and `check_known_host(host, port, known_host)` return None or what is wrong; they get
    normalised values, each distinct one once. Raises ConfigError with all problems at once.
    """
    tree, found = folded(parsed(text))
    file = validated(tree)
    if isinstance(file, list):
        found += file
    sound = Sound(tree=tree, broken=frozenset(problem.place for problem in found))
    found += problems(sound, check_key=check_key, check_known_host=check_known_host)
    if found or isinstance(file, list):
        raise ConfigError(told(found, tree))
    return _settings(file)


def _settings(file: File) -> Config:
    return Config(
        root_dir=file.borg.root_dir,
        prune_options=retention.options(file.borg.prune_setting),
        prune_also=tuple(file.borg.prune_also),
        jobs=file.borg.jobs,
        retries=file.borg.retries,
        check_every=amounts.cadence(file.borg.check_every),
        root_dir_must_be_mount=file.borg.root_dir_must_be_mount,
        server=_connection(file.borg.server),
        server_borg_path=file.borg.server.borg_path,
        targets=tuple(_target(table, file.borg.defaults) for table in file.servers),
        notify=Notify(ping=file.notify.ping, on_finish=file.notify.on_finish or ""),
        sockets=_sockets(file.borg),
    )


def _sockets(table: BorgTable) -> Sockets | None:
    if not table.server.append_socket:
        return None
    return Sockets(append=table.server.append_socket, full=table.server.full_socket, state_dir=table.state_dir)


def _target(table: TargetTable, defaults: OptionsTable) -> Target:
    return Target(
        name=table.name.strip(),
        source_paths=tuple(table.source_paths),
        excludes=tuple(table.excludes),
        sub_dir=table.borg_target.sub_dir,
        passphrase=table.borg_target.passphrase,
        connection=_connection(table.connection),
        borg_path=table.borg_path or defaults.borg_path or "borg",
        options=_options(table, defaults),
        streams=tuple(Stream(name=stream.name, command=stream.command) for stream in table.streams),
    )


def _options(table: OptionsTable, defaults: OptionsTable) -> Options:
    said: dict[str, Any] = {
        option.name: value
        for option in dataclasses.fields(Options)
        if (value := _first(getattr(table, option.name), getattr(defaults, option.name))) is not None
    }
    return Options(**{name: _MEANT[name](value) if name in _MEANT else value for name, value in said.items()})


def _first(*said: Any) -> Any:  # noqa: ANN401 - of whatever type an option is
    """Return the first that is said at all: what a target says, be it "no", comes before the defaults for all."""
    return next((value for value in said if value is not None), None)


def _connection(table: ConnectionTable) -> Connection:
    host = address.host(table.host)
    return Connection(
        host=host,
        username=table.username,
        known_host=keytext.known_hosts(table.known_host, port=host.port),
        private_key=_key(table.private_key),
        ciphers=table.ciphers or "",
        jumps=tuple(_jumps(table)),
    )


def _jumps(table: ConnectionTable) -> Iterator[Jump]:
    if table.proxy_jump_host:
        only = JumpTable(
            Host=table.proxy_jump_host,
            KnownHost=table.proxy_jump_known_host,
            Username=table.proxy_jump_username,
            PrivateKey=table.proxy_jump_private_key,
        )
        yield _jump(table, only, prefix="ProxyJump")
    for jump in table.jumps:
        yield _jump(table, jump)


def _jump(table: ConnectionTable, jump: JumpTable, *, prefix: str = "") -> Jump:
    host = address.host(jump.host)
    return Jump(
        host=host,
        username=jump.username or table.username,
        known_host=keytext.known_hosts(jump.known_host, port=host.port),
        private_key=_key(jump.private_key or table.private_key),
        ciphers=table.ciphers or "",
        prefix=prefix,
    )


def _key(key: SecretStr) -> SecretStr:
    return SecretStr(keytext.private_key(key.get_secret_value()))
