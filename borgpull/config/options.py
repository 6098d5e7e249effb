"""The options of a target as the config's keys say them: in its [[Servers]], and for all in [Borg.Defaults].

A rule returns what is wrong with a value and what to do, or None. What passes ends up in the argv of `borg create` and
`borg init`; both borg 1.2.4 and 1.4.5 take it (tried).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from . import amounts, fields
from .table import Table, text

Commands = Annotated[list[Annotated[str, text(fields.command)]], Field(max_length=20)]
Duration = Annotated[str, text(amounts.duration_problem)]
Share = Annotated[str, text(amounts.share_problem)]
BorgPath = Annotated[str, text(fields.borg_path)]
BORG_PATH = "the path of borg there, when it is not on the PATH"

# Obfuscation by padmé (250) is unknown to 1.2.
_OBFUSCATION = r"(?:obfuscate,(?:[1-6]|11[0-9]|12[0-3]),)?"
_ALGORITHM = r"(?:none|lz4|zstd(?:,(?:[1-9]|1[0-9]|2[0-2]))?|zlib(?:,[0-9])?|lzma(?:,[0-9])?)"
_COMPRESSION = re.compile(rf"{_OBFUSCATION}(?:auto,)?{_ALGORITHM}")
FILES_CACHES = (
    *("ctime,size", "ctime,size,inode", "mtime,size", "mtime,size,inode"),
    *("rechunk,ctime", "rechunk,mtime", "disabled"),
)
ENCRYPTIONS = ("repokey-blake2", "repokey")
_READABLE = "would let the backup server read or forge what is backed up: write `repokey-blake2` or `repokey`"
_ELSEWHERE = (
    "would keep the key in a file of one machine, where the others that need it, and the proof of what a session did, "
    "do not find it: write `repokey-blake2` or `repokey`"
)
_REFUSED = {
    "none": _READABLE,
    "authenticated": _READABLE,
    "authenticated-blake2": _READABLE,
    "keyfile": _ELSEWHERE,
    "keyfile-blake2": _ELSEWHERE,
}


def compression_problem(text: str) -> str | None:
    if _COMPRESSION.fullmatch(text):
        return None
    return (
        "is not a compression of borg: write `lz4`, `zstd` or `zstd,1` to `zstd,22`, `zlib`, `lzma` or `none`, "
        "perhaps with `auto,` before it"
    )


def files_cache_problem(text: str) -> str | None:
    """Judge by what T's borg recognises a file that has not changed."""
    if text in FILES_CACHES:
        return None
    return f"is not a way to recognise unchanged files: write one of {', '.join(f'`{mode}`' for mode in FILES_CACHES)}"


def encryption_problem(text: str) -> str | None:
    if text in ENCRYPTIONS:
        return None
    return _REFUSED.get(text, "is not an encryption that fits here: write `repokey-blake2` or `repokey`")


def tag_problem(text: str) -> str | None:
    """Judge the name of a file by which a folder is left out."""
    if not text or text in {".", ".."}:
        return "names no file: write a name such as `.nobackup`, or remove the entry"
    if "/" in text:
        return "is a path: write the name alone of a file that lies in the folders to be left out"
    return "has a control character in it: remove it" if fields.has_unprintable(text) else None


def patterns_file_problem(text: str) -> str | None:
    """Judge the path of a file of patterns on T."""
    if not text.startswith("/"):
        return "is not an absolute path: begin it with `/`; the file lies on the target"
    return "has a control character in it: remove it" if fields.has_unprintable(text) else None


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
    quota: Annotated[str, text(amounts.quota_problem)] | None = Field(
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
    road: Annotated[str, text(fields.road)] | None = Field(
        default=None,
        alias="Road",
        examples=["stdio"],
        description="how its borg gets here: `forward` by its sshd, `stdio` through socat; if not set, what it allows",
    )
    sudo: bool | None = Field(
        default=None,
        alias="Sudo",
        examples=[True],
        description="whether borg on the target runs as root, through sudo, for a user who may start borg so; false if "
        "not set",
    )
    compression: Annotated[str, text(compression_problem)] | None = Field(
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
    warn_on_change: bool | None = Field(
        default=None,
        alias="WarnOnChange",
        examples=[True],
        description="whether a file that changed while it was read is a warning (exit code 1), and not only counted; "
        "false if not set",
    )
    shrink_limit: Share | None = Field(
        default=None,
        alias="ShrinkLimit",
        examples=["50%"],
        description="an archive with less than this share of the files or bytes of the last good ones is odd, and the "
        "target is held; `50%` if not set, or `off`",
    )
    change_limit: Share | None = Field(
        default=None,
        alias="ChangeLimit",
        examples=["50%"],
        description="an archive of which more than this share is new, as it never was, is odd, and the target is held; "
        "`50%` if not set, or `off`",
    )
    grace: Annotated[str, text(amounts.grace_problem)] | None = Field(
        default=None,
        alias="Grace",
        examples=["7d"],
        description="how long the state before each prune and compaction is kept, such as `7d`, which it is if not "
        "set; `0` for not at all",
    )
    exclude_if_present: list[Annotated[str, text(tag_problem)]] | None = Field(
        default=None,
        alias="ExcludeIfPresent",
        examples=[[".nobackup"]],
        description='names of files whose folder is left out, e.g. [".nobackup"]',
    )
    patterns_from: Annotated[str, text(patterns_file_problem)] | None = Field(
        default=None,
        alias="PatternsFrom",
        examples=["/etc/borg-patterns"],
        description="a file on the target with patterns of borg, an absolute path",
    )
    upload_rate_limit: Annotated[str, text(amounts.rate_problem)] | None = Field(
        default=None,
        alias="UploadRateLimit",
        examples=["5M"],
        description="how many bytes a second may leave the target, such as `5M`; no limit if not set",
    )
    files_cache: Annotated[str, text(files_cache_problem)] | None = Field(
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
    encryption: Annotated[str, text(encryption_problem)] | None = Field(
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
