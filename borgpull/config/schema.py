"""The config file's tables and keys as the operator spells them. The JSON schema is made from these models.

Only single fields are judged here; what concerns two of them is judged in `between`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from . import amounts, fields, retention
from .machines import ConnectionTable, ServerTable
from .options import OptionsTable
from .table import Table, secret, text


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
    jobs: int = Field(default=8, alias="Jobs", ge=1, le=1000, description="how many targets run side by side")
    retries: int = Field(
        default=2, alias="Retries", ge=0, le=10, description="how often a target is tried again after a passing failure"
    )
    check_every: Annotated[str, text(amounts.cadence_problem)] = Field(
        default="7d",
        alias="CheckEvery",
        description="how often `borg check` reads a repository: `always`, `never`, or a duration such as `7d`",
    )
    state_dir: Annotated[str, text(fields.state_dir)] = Field(
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
