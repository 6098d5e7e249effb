"""The rules of single fields: each takes what the config says, and returns it or what it means, or raises Invalid.

What passes may end up in the argv of borg; both borg 1.2.4 and 1.4.5 take it (tried).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from urllib.parse import urlsplit

from ..untrusted import clean
from . import normalise
from .paths import SUB_DIR
from .table import Invalid

LONGEST_NAME = 100
LONGEST_COMMAND = 16_384
RESERVED = ".borgpull"
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
# Obfuscation by padmé (250) is unknown to 1.2.
_OBFUSCATION = r"(?:obfuscate,(?:[1-6]|11[0-9]|12[0-3]),)?"
_ALGORITHM = r"(?:none|lz4|zstd(?:,(?:[1-9]|1[0-9]|2[0-2]))?|zlib(?:,[0-9])?|lzma(?:,[0-9])?)"
FILES_CACHES = (
    *("ctime,size", "ctime,size,inode", "mtime,size", "mtime,size,inode"),
    *("rechunk,ctime", "rechunk,mtime", "disabled"),
)
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


class Transport(StrEnum):
    """How T's borg gets to C: over a unix socket that T's sshd forwards, or through socat in a session of its own."""

    FORWARD = "forward"
    STDIO = "stdio"


def _matching(pattern: str, words: str) -> Callable[[str], str]:
    def rule(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise Invalid(words)
        return text

    return rule


# The name of a stream's file, and a part of the names and globs of its archives.
stream_name = _matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}",
    "is not a name for a stream: write up to 50 letters, digits, `.`, `_` and `-`, a letter or digit first",
)
# Which ciphers there are is for ssh to say.
ciphers = _matching(
    r"[-+^]?[A-Za-z0-9*?][A-Za-z0-9@.*?-]*(?:,[A-Za-z0-9*?][A-Za-z0-9@.*?-]*)*",
    "is no list of ciphers: write their names with commas between, as `ssh -Q cipher` prints them",
)
compression = _matching(
    rf"{_OBFUSCATION}(?:auto,)?{_ALGORITHM}",
    "is not a compression of borg: write `lz4`, `zstd` or `zstd,1` to `zstd,22`, `zlib`, `lzma` or `none`, "
    "perhaps with `auto,` before it",
)
files_cache = _matching(
    "|".join(FILES_CACHES),
    f"is not a way to recognise unchanged files: write one of {', '.join(f'`{mode}`' for mode in FILES_CACHES)}",
)


def encryption(text: str) -> str:
    if text not in {"repokey-blake2", "repokey"}:
        raise Invalid(_REFUSED.get(text, "is not an encryption that fits here: write `repokey-blake2` or `repokey`"))
    return text


def transport(text: str) -> Transport:
    if text not in set(Transport):
        raise Invalid("must be `forward` or `stdio`; leave it out to choose automatically")
    return Transport(text)


def name(text: str) -> str:
    """Judge a target's name; it stands in every message about the target."""
    text = text.strip()
    if not text:
        raise Invalid("is empty: give the target a name")
    if len(text) > LONGEST_NAME:
        raise Invalid(f"is longer than {LONGEST_NAME} characters: shorten it")
    if clean(text) != text:
        raise Invalid("is not one printable line: use letters, digits and spaces")
    return text


def root_dir(text: str) -> str:
    """Judge the folder on B below which all repositories lie."""
    return _repository_part(absolute_path(text))


def sub_dir(text: str) -> str:
    """Judge the path of a repository below RootDir; slashes around it are fine, as ever."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not parts:
        raise Invalid("names no folder of its own: write the repository's path below RootDir")
    if parts[0] == RESERVED:
        raise Invalid(f"lies in `{RESERVED}`, which borgpull keeps for itself: choose another folder")
    return _repository_part(_without_dots(text))


def _repository_part(text: str) -> str:
    # What follows was seen in Location of borg 1.2.4 and 1.4.5.
    if "::" in text:
        raise Invalid("has a `::` in it, after which borg reads the name of an archive: choose another folder")
    if "{" in text or "}" in text:
        raise Invalid("has a brace in it, which borg reads as a placeholder like `{hostname}`: choose another folder")
    return text


def socket(text: str) -> str:
    """Judge the path of the sockets on B of the road without a shell."""
    if text.count(SUB_DIR) != 1:
        raise Invalid(f"does not have `{SUB_DIR}` in it once: a socket belongs to one repository")
    absolute_path(text.replace(SUB_DIR, ""))
    return text


def absolute_path(text: str) -> str:
    """Judge a path of which nothing is asked but that it is plain and absolute."""
    return _without_dots(_absolute(text))


def patterns_file(text: str) -> str:
    """Judge the path of a file of patterns on T."""
    return _printable(_absolute(text, "; the file lies on the target"))


def _absolute(text: str, more: str = "") -> str:
    if not text.startswith("/"):
        raise Invalid(f"is not an absolute path: begin it with `/`{more}")
    return text


def _without_dots(text: str) -> str:
    if ".." in text.split("/"):
        raise Invalid("has a `..` in it: write the path without")
    return _printable(text)


def _printable(text: str) -> str:
    if _has_unprintable(text):
        raise Invalid("has a control character in it: remove it")
    return text


def _has_unprintable(text: str) -> bool:
    """Tell whether there is a letter in it that no name has: a control character, a line end."""
    return any(unicodedata.category(letter) in _UNPRINTABLE for letter in text)


def borg_path(text: str) -> str:
    """Judge the path of a borg; it is quoted, so no shell expands it."""
    if not text:
        raise Invalid("is empty: write the path of borg there, or remove the key")
    if text.startswith("-"):
        raise Invalid("begins with a dash: write the path of borg there")
    if text.startswith("~"):
        raise Invalid("begins with `~`, which is not expanded: write the whole path")
    return _printable(text)


def tag(text: str) -> str:
    """Judge the name of a file by which a folder is left out."""
    if text in {"", ".", ".."}:
        raise Invalid("names no file: write a name such as `.nobackup`, or remove the entry")
    if "/" in text:
        raise Invalid("is a path: write the name alone of a file that lies in the folders to be left out")
    return _printable(text)


def source_path(text: str) -> str:
    return _argument(text, what="path")


def exclude(text: str) -> str:
    return _argument(text, what="pattern")


def command(text: str) -> str:
    """Judge a command for the shell, here or on T; what it does is the operator's business."""
    if len(text) > LONGEST_COMMAND:
        raise Invalid(f"is longer than {LONGEST_COMMAND} characters: put it into a script")
    _argument(text.strip(), what="command")
    return text


def _argument(text: str, *, what: str) -> str:
    if not text:
        raise Invalid(f"is empty: write a {what}, or remove the entry")
    if "\0" in text:
        raise Invalid(f"has a NUL character in it, which no {what} can hold: remove it")
    return text


def passphrase(text: str) -> str:
    """Judge a passphrase: borg reads it from a pipe, up to a line end."""
    if not text:
        raise Invalid("is empty: write the passphrase of the repository")
    if any(letter in text for letter in "\r\n\0"):
        raise Invalid("has a line end or a NUL character in it, which borg cannot read: use one line, in single quotes")
    return text


def private_key(text: str) -> str:
    """Judge only whether there is a key at all; the rest is for ssh-keygen to say."""
    if not text.strip():
        raise Invalid("is empty: paste the private key, from its BEGIN line to its END line")
    return normalise.private_key(text)


def known_host(text: str) -> str:
    """Judge only whether there are entries at all; the rest is for ssh-keygen to say."""
    if not text.strip():
        raise Invalid("is empty: paste what `ssh-keyscan` prints for the host")
    return text


def ping(text: str) -> str:
    """Judge the URL of a monitor. Who knows it can say that all is well: it never goes over a network in clear."""
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise Invalid("is not a URL: write it as the monitor shows it") from None
    if _has_unprintable(text) or " " in text or not host or url.scheme not in {"https", "http"}:
        raise Invalid("is not an https:// URL: write it as the monitor shows it")
    if url.scheme == "http" and not _is_here(host):
        words = "is plain http, which anybody on the way can read and forge: write https:// (or name this very machine)"
        raise Invalid(words)
    if url.username is not None or url.fragment:
        raise Invalid("has a user or a `#` in it, of which a monitor knows nothing: remove that part")
    return text


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
