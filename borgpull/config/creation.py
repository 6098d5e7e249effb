"""Options of `borg create` and `borg init`: each function returns what is wrong with a value and what to do, or None.

What passes ends up in borg's argv. Tried with borg 1.2.4 and 1.4.5: what passes here is taken by both of them.
"""

from __future__ import annotations

import re

from .fields import has_unprintable

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
    """Judge a compression."""
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
    """Judge how a new repository is to be encrypted."""
    if text in ENCRYPTIONS:
        return None
    return _REFUSED.get(text, "is not an encryption that fits here: write `repokey-blake2` or `repokey`")


def tag_problem(text: str) -> str | None:
    """Judge the name of a file by which a folder is left out."""
    if not text or text in {".", ".."}:
        return "names no file: write a name such as `.nobackup`, or remove the entry"
    if "/" in text:
        return "is a path: write the name alone of a file that lies in the folders to be left out"
    return "has a control character in it: remove it" if has_unprintable(text) else None


def patterns_file_problem(text: str) -> str | None:
    """Judge the path of a file of patterns on T."""
    if not text.startswith("/"):
        return "is not an absolute path: begin it with `/`; the file lies on the target"
    return "has a control character in it: remove it" if has_unprintable(text) else None
