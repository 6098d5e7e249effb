"""The rules of single fields. Each takes a text of the config, and returns it or its meaning, or raises Invalid.

What passes may end up in the argv of borg; borg 1.2.4 and 1.4.5 accept it (tried). ssh's own tools judge keys.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from urllib.parse import urlsplit

from ..untrusted import clean
from .address import DEFAULT_PORT, SUB_DIR
from .model_fields import Invalid, refuse

LONGEST_NAME = 100
LONGEST_COMMAND = 16_384
RESERVED = ".borgpull"
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
# Borg 1.2 does not know obfuscation by padmé (250).
_OBFUSCATION = r"(?:obfuscate,(?:[1-6]|11[0-9]|12[0-3]),)?"
_ALGORITHM = r"(?:none|lz4|zstd(?:,(?:[1-9]|1[0-9]|2[0-2]))?|zlib(?:,[0-9])?|lzma(?:,[0-9])?)"
FILES_CACHES = (
    *("ctime,size", "ctime,size,inode", "mtime,size", "mtime,size,inode"),
    *("rechunk,ctime", "rechunk,mtime", "disabled"),
)
_WITH_PORT_22 = re.compile(r"\A(!?)\[([^\[\]*?]+)\]:22\Z")
_FIRST_FIELDS = re.compile(r"(\s*(?:@\S+\s+)?)(\S+)(.*)")
_READABLE = "would let the backup server read or forge the backups: write `repokey-blake2` or `repokey`"
_ELSEWHERE = "would keep the key in a file on only one machine: write `repokey-blake2` or `repokey`"
_REFUSED = dict.fromkeys(("none", "authenticated", "authenticated-blake2"), _READABLE)
_REFUSED |= dict.fromkeys(("keyfile", "keyfile-blake2"), _ELSEWHERE)


class Transport(StrEnum):
    """How a target's borg reaches the controller: a unix socket that its sshd forwards, or socat in a session."""

    FORWARD = "forward"
    STDIO = "stdio"


def _matching(pattern: str, words: str) -> Callable[[str], str]:
    def rule(text: str) -> str:
        refuse(not re.fullmatch(pattern, text, re.ASCII), words)
        return text

    return rule


# It names a stream's file, and is part of the names and globs of its archives.
stream_name = _matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}",
    "is not a name for a stream: write up to 50 letters, digits, `.`, `_` and `-`, with a letter or digit first",
)
group = _matching(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}",
    "is not a name for a group: write up to 50 letters, digits, `_` and `-`, with a letter or digit first",
)
# Only ssh knows which ones it has.
algorithms = _matching(
    r"[-+^]?[A-Za-z0-9*?][A-Za-z0-9@.*?-]*(?:,[A-Za-z0-9*?][A-Za-z0-9@.*?-]*)*",
    "is not a list of algorithms: write names that `ssh -Q` prints for this key, separated by commas",
)
compression = _matching(
    rf"{_OBFUSCATION}(?:auto,)?{_ALGORITHM}",
    "is not a compression of borg: write `lz4`, `zstd`, `zstd,1` to `zstd,22`, `zlib`, `lzma` or `none`, or one of "
    "them after `auto,`",
)
files_cache = _matching(
    "|".join(FILES_CACHES),
    f"is not a files cache mode of borg: write one of {', '.join(f'`{mode}`' for mode in FILES_CACHES)}",
)


def encryption(text: str) -> str:
    if text not in {"repokey-blake2", "repokey"}:
        raise Invalid(_REFUSED.get(text, "is not a supported encryption: write `repokey-blake2` or `repokey`"))
    return text


def transport(text: str) -> Transport:
    refuse(text not in set(Transport), "must be `forward` or `stdio`; leave it out to choose automatically")
    return Transport(text)


def name(text: str) -> str:
    """Judge a target's name, which is in every message about the target."""
    text = text.strip()
    refuse(not text, "is empty: give the target a name")
    refuse(len(text) > LONGEST_NAME, f"is longer than {LONGEST_NAME} characters: shorten it")
    refuse(clean(text) != text, "is not one printable line: use letters, digits and spaces")
    return text


def root_dir(text: str) -> str:
    """Judge the folder of all repositories on the backup server."""
    return _repository_part(absolute_path(text))


def sub_dir(text: str) -> str:
    """Judge the path of a repository below RootDir; slashes around it are fine."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    refuse(not parts, "names no folder of its own: write the repository's path below RootDir")
    refuse(parts[0] == RESERVED, f"is in `{RESERVED}`, which borgpull keeps for itself: choose another folder")
    return _repository_part(_without_dots(text))


def _repository_part(text: str) -> str:
    # Seen in Location of borg 1.2.4 and 1.4.5.
    refuse("::" in text, "contains `::`, after which borg reads the name of an archive: choose another folder")
    # Escaped as `{{` it fails too: `borg serve` reads placeholders in the path that it is given (1.2.4, 1.4.5).
    if "{" in text or "}" in text:
        raise Invalid("contains a brace, which borg reads as a placeholder such as `{hostname}`: choose another folder")
    return text


def socket(text: str) -> str:
    """Judge the path of the sockets on a backup server that gives no shell."""
    refuse(text.count(SUB_DIR) != 1, f"must contain `{SUB_DIR}` once: each repository needs a socket of its own")
    absolute_path(text.replace(SUB_DIR, ""))
    return text


def absolute_path(text: str) -> str:
    """Judge a path that only has to be plain and absolute."""
    return _without_dots(_absolute(text))


def patterns_file(text: str) -> str:
    """Judge the path of a file of patterns on the target."""
    return _printable(_absolute(text, "; the file is on the target"))


def _absolute(text: str, more: str = "") -> str:
    refuse(not text.startswith("/"), f"is not an absolute path: begin it with `/`{more}")
    return text


def _without_dots(text: str) -> str:
    refuse(".." in text.split("/"), "contains `..`: write the path without it")
    return _printable(text)


def _printable(text: str) -> str:
    refuse(_has_unprintable(text), "contains a control character: remove it")
    return text


def _has_unprintable(text: str) -> bool:
    """Return whether a text has a character that no name has: a control character, a line end."""
    return any(unicodedata.category(letter) in _UNPRINTABLE for letter in text)


def borg_path(text: str, name: str = "borg") -> str:
    """Judge the path of a borg; it is quoted, so no shell expands it."""
    refuse(not text, f"is empty: write the path of {name} there, or remove the key")
    refuse(text.startswith("-"), f"begins with a dash: write the path of {name} there")
    refuse(text.startswith("~"), "begins with `~`, which is not expanded: write the whole path")
    return _printable(text)


def socat_path(text: str) -> str:
    """Judge the path of a socat: borg starts it by a command line that carries no quotes, maybe in another folder."""
    refuse(re.search(r"[^A-Za-z0-9._/+~-]", text), "may have only letters, digits and `._/+-`: name a link to it")
    return borg_path(_absolute(text) if "/" in text else text, "socat")


def tag(text: str) -> str:
    """Judge a file name that marks a folder to leave out."""
    refuse(text in {"", ".", ".."}, "names no file: write a name such as `.nobackup`, or remove the entry")
    refuse("/" in text, "is a path: write only the name of a file in the folders to leave out")
    return _printable(text)


def command(text: str) -> str:
    """Judge a shell command; what it does is up to the operator."""
    refuse(len(text) > LONGEST_COMMAND, f"is longer than {LONGEST_COMMAND} characters: put it into a script")
    _argument(text.strip(), what="command")
    return text


def _argument(text: str, *, what: str) -> str:
    refuse(not text, f"is empty: write a {what}, or remove the entry")
    refuse("\0" in text, f"contains a NUL character, which no {what} can have: remove it")
    return text


source_path = functools.partial(_argument, what="path")
exclude = functools.partial(_argument, what="pattern")


def passphrase(text: str) -> str:
    """Judge a passphrase: borg reads it from a pipe, up to a line end."""
    refuse(not text, "is empty: write the passphrase of the repository")
    if any(letter in text for letter in "\r\n\0"):
        raise Invalid("contains a line end or NUL, which borg cannot read: write one line in single quotes")
    return text


def private_key(text: str) -> str:
    """Return the key as `key_for_ssh` does; ssh-keygen judges it."""
    refuse(not text.strip(), "is empty: paste the private key, from its BEGIN line to its END line")
    return key_for_ssh(text)


def known_host(text: str) -> str:
    """Judge only whether there are entries; ssh-keygen judges them."""
    refuse(not text.strip(), "is empty: paste the output of `ssh-keyscan` for the host")
    return text


def key_for_ssh(text: str) -> str:
    """Return a private key with LF line ends, nothing around its lines, and one final newline.

    OpenSSH rejects its own format with CRLF, leading blanks or without that newline (8.4 to 10.5).
    """
    return "\n".join(line.strip() for line in _unix(text).strip().split("\n")) + "\n"


def entries_for_ssh(text: str, *, port: int) -> str:
    """Return known_hosts entries with LF line ends and a final newline, for ssh to look up a host at `port`.

    For port 22 `[h]:22` becomes `h`: the Go ancestor accepted it, ssh never matches it. Entries for other ports stay,
    so that no key is accepted for a port that it was not meant for.
    """
    lines = _unix(text).strip().split("\n")
    return "\n".join(_without_port_22(line) if port == DEFAULT_PORT else line for line in lines) + "\n"


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_port_22(line: str) -> str:
    fields = _FIRST_FIELDS.fullmatch(line)
    if fields is None or fields[2].startswith(("#", "|")):
        return line
    names = (_WITH_PORT_22.sub(r"\1\2", name) for name in fields[2].split(","))
    return fields[1] + ",".join(names) + fields[3]


def ping(text: str) -> str:
    """Judge the URL of a monitor. It is a secret: whoever knows it can report success. It never travels in clear."""
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise Invalid("is not a URL: copy it from the monitor") from None
    if _has_unprintable(text) or " " in text or not host or url.scheme not in {"https", "http"}:
        raise Invalid("is not an https:// URL: copy it from the monitor")
    if url.scheme == "http" and not _is_loopback(host):
        raise Invalid("is plain http, which anyone on the network can read and forge: write https://")
    refuse(url.username is not None or url.fragment, "contains a user or a `#`, which no monitor has: remove that part")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
