"""The way through the room: text, tables, single fields, fields between each other, settings."""

from __future__ import annotations

from pydantic import SecretStr

from ..errors import ConfigError
from . import address, keytext, retention
from .between import CheckKey, CheckKnownHost, Sound, problems
from .document import parsed
from .keys import folded
from .problem import told
from .schema import ConnectionTable, File, TargetTable
from .settings import Config, Connection, Jump, Target
from .wording import validated


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
        jobs=file.borg.jobs,
        server=_connection(file.borg.server),
        server_borg_path=file.borg.server.borg_path,
        targets=tuple(_target(table) for table in file.servers),
    )


def _target(table: TargetTable) -> Target:
    return Target(
        name=table.name.strip(),
        source_paths=tuple(table.source_paths),
        excludes=tuple(table.excludes),
        sub_dir=table.borg_target.sub_dir,
        passphrase=table.borg_target.passphrase,
        connection=_connection(table.connection),
        borg_path=table.borg_path,
    )


def _connection(table: ConnectionTable) -> Connection:
    host = address.host(table.host)
    return Connection(
        host=host,
        username=table.username,
        known_host=keytext.known_hosts(table.known_host, port=host.port),
        private_key=SecretStr(keytext.private_key(table.private_key.get_secret_value())),
        jump=_jump(table),
    )


def _jump(table: ConnectionTable) -> Jump | None:
    if not table.proxy_jump_host:
        return None
    host = address.host(table.proxy_jump_host)
    return Jump(host=host, known_host=keytext.known_hosts(table.proxy_jump_known_host, port=host.port))
