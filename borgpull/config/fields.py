"""The rules of single fields: each function returns what is wrong with a value and what to do, or None.

The words never quote the value: it may be a secret in the wrong place.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import urlsplit

from ..hostile import clean
from .settings import SUB_DIR, Road

LONGEST_NAME = 100
LONGEST_COMMAND = 16_384
RESERVED = ".borgpull"
_STREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", re.ASCII)
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
_CIPHERS = re.compile(r"[-+^]?[A-Za-z0-9*?][A-Za-z0-9@.*?-]*(?:,[A-Za-z0-9*?][A-Za-z0-9@.*?-]*)*")


def name(text: str) -> str | None:
    """Judge a target's name; it stands in every message about the target."""
    if not text.strip():
        return "is empty: give the target a name"
    if len(text.strip()) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters: shorten it"
    if clean(text.strip()) != text.strip():
        return "is not one printable line: use letters, digits and spaces"
    return None


def stream_name(text: str) -> str | None:
    """Judge the name of a stream: that of its file, and a part of the names and globs of its archives."""
    if _STREAM_NAME.fullmatch(text):
        return None
    return "is not a name for a stream: write up to 50 letters, digits, `.`, `_` and `-`, a letter or digit first"


def root_dir(text: str) -> str | None:
    """Judge the folder on B below which all repositories lie."""
    if not text.startswith("/"):
        return "is not an absolute path: begin it with `/`"
    return _repository_part(text)


def sub_dir(text: str) -> str | None:
    """Judge the path of a repository below RootDir; slashes around it are fine, as ever."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not parts:
        return "names no folder of its own: write the repository's path below RootDir"
    if parts[0] == RESERVED:
        return f"lies in `{RESERVED}`, which borgpull keeps for itself: choose another folder"
    return _repository_part(text)


def _repository_part(text: str) -> str | None:
    if ".." in text.split("/"):
        return "has a `..` in it: write the path without"
    if has_unprintable(text):
        return "has a control character in it: remove it"
    # What follows was seen in Location of borg 1.2.4 and 1.4.5.
    if "::" in text:
        return "has a `::` in it, after which borg reads the name of an archive: choose another folder"
    if "{" in text or "}" in text:
        return "has a brace in it, which borg reads as a placeholder like `{hostname}`: choose another folder"
    return None


def socket(text: str) -> str | None:
    """Judge the path of the sockets on B of the road without a shell."""
    if text.count(SUB_DIR) != 1:
        return f"does not have `{SUB_DIR}` in it once: a socket belongs to one repository"
    return absolute_path(text.replace(SUB_DIR, ""))


def absolute_path(text: str) -> str | None:
    """Judge a path of which nothing is asked but that it is plain and absolute."""
    if not text.startswith("/"):
        return "is not an absolute path: begin it with `/`"
    if ".." in text.split("/"):
        return "has a `..` in it: write the path without"
    return "has a control character in it: remove it" if has_unprintable(text) else None


def source_path(text: str) -> str | None:
    return _argument(text, what="path")


def exclude(text: str) -> str | None:
    return _argument(text, what="pattern")


def command(text: str) -> str | None:
    """Judge a command for the shell, here or on T; what it does is the operator's business."""
    if len(text) > LONGEST_COMMAND:
        return f"is longer than {LONGEST_COMMAND} characters: put it into a script"
    return _argument(text.strip(), what="command")


def _argument(text: str, *, what: str) -> str | None:
    if not text:
        return f"is empty: write a {what}, or remove the entry"
    if "\0" in text:
        return f"has a NUL character in it, which no {what} can hold: remove it"
    return None


def road(text: str) -> str | None:
    """Judge the word for a way to a target."""
    return None if text in set(Road) else "is no road: write `forward` or `stdio`, or leave it out for what goes"


def ciphers(text: str) -> str | None:
    """Judge a list of ciphers; which ones there are is for ssh to say."""
    if _CIPHERS.fullmatch(text):
        return None
    return "is no list of ciphers: write their names with commas between, as `ssh -Q cipher` prints them"


def passphrase(text: str) -> str | None:
    """Judge a passphrase: borg reads it from a pipe, up to a line end."""
    if not text:
        return "is empty: write the passphrase of the repository"
    if any(letter in text for letter in "\r\n\0"):
        return "has a line end or a NUL character in it, which borg cannot read: use one line, in single quotes"
    return None


def borg_path(text: str) -> str | None:
    """Judge the path of a borg; it is quoted, so no shell expands it."""
    if not text:
        return "is empty: write the path of borg there, or remove the key"
    if text.startswith("-"):
        return "begins with a dash: write the path of borg there"
    if text.startswith("~"):
        return "begins with `~`, which is not expanded: write the whole path"
    if has_unprintable(text):
        return "has a control character in it: remove it"
    return None


def ping(text: str) -> str | None:
    """Judge the URL of a monitor. Who knows it can say that all is well: it never goes over a network in clear."""
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        return "is not a URL: write it as the monitor shows it"
    if has_unprintable(text) or " " in text or not host or url.scheme not in {"https", "http"}:
        return "is not an https:// URL: write it as the monitor shows it"
    if url.scheme == "http" and not _is_here(host):
        return "is plain http, which anybody on the way can read and forge: write https:// (or name this very machine)"
    if url.username is not None or url.fragment:
        return "has a user or a `#` in it, of which a monitor knows nothing: remove that part"
    return None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def private_key(text: str) -> str | None:
    """Judge only whether there is a key at all; the rest is for ssh-keygen to say."""
    return None if text.strip() else "is empty: paste the private key, from its BEGIN line to its END line"


def known_host(text: str) -> str | None:
    """Judge only whether there are entries at all; the rest is for ssh-keygen to say."""
    return None if text.strip() else "is empty: paste what `ssh-keyscan` prints for the host"


def has_unprintable(text: str) -> bool:
    """Tell whether there is a letter in it that no name has: a control character, a line end."""
    return any(unicodedata.category(letter) in _UNPRINTABLE for letter in text)
