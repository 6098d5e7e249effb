"""Where things are: hosts and users for ssh's command line; repositories and their sockets on the backup server.

ssh reads a host that begins with "-" as an option, and `user@host` or `ssh://` as more than a host, even after `--`
(OpenSSH 8.4, 9.2 and 10.5). Only a plain name or address passes.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
import socket
from dataclasses import dataclass

from .model_fields import Invalid, refuse

DEFAULT_PORT = 22
SUB_DIR = "{SubDir}"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
# ssh refuses these letters, a dash after a blank, and a backslash at the end (9.6); `%` it may expand, and a name with
# `#` first is a number to sudo.
_USER = re.compile(r"""(?![#\s])(?!.*\s(?:-|\Z))[^%/'"`;&<>|(){}]+(?<!\\)""")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?", re.DOTALL)
_LONGEST_NAME = 253
_LONGEST_USER = 256
_FORMS = "write `name`, `name:port`, an IPv4 address or `[IPv6]:port`"


@dataclass(frozen=True)
class Host:
    """An sshd: a name or an IP literal without brackets, and its port."""

    name: str
    port: int = DEFAULT_PORT


def host(text: str) -> Host:
    """Return the host that `text` names."""
    refuse("/" in text or "@" in text, f"is a URL or names a user, which belongs in Username: {_FORMS}")
    if bracketed := _BRACKETED.fullmatch(text):
        return Host(_ipv6(bracketed[1]), _port(bracketed[2]))
    if text.count(":") > 1:
        return Host(_ipv6(text), DEFAULT_PORT)
    name, colon, port = text.partition(":")
    _check_name(name)
    return Host(name, _port(port if colon else None))


def user(text: str) -> str:
    """Judge a user name for ssh."""
    refuse(not text, "is empty: write the name of the user to log in as")
    refuse(text.startswith("-"), "begins with a dash, which ssh reads as an option: write a user name")
    if not _USER.fullmatch(text) or not text.isprintable() or len(text) > _LONGEST_USER:
        raise Invalid(
            "is not a user name that ssh takes: write it without quotes, brackets, `/`, `;`, `&`, `|` and `%`"
        )
    return text


def _check_name(name: str) -> None:
    refuse(not name, f"has no host name: {_FORMS}")
    refuse(name.startswith("-"), f"begins with a dash, which ssh reads as an option: {_FORMS}")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise Invalid(f"is not a host name: {_FORMS} (an internationalised name in its xn-- form)")
    try:
        # ssh reads `10.7`, `0x0a000007` and `010.0.0.7` as addresses, and looks up another text in known_hosts (9.2).
        if _NUMERIC.fullmatch(name):
            ipaddress.IPv4Address(name)
    except ValueError:
        raise Invalid("is not a valid IPv4 address: write its four numbers, or a name") from None


def _ipv6(text: str) -> str:
    refuse("%" in text, "has a zone id (`%`), which is not supported: use an address or a name without one")
    try:
        # The form in which ssh looks an address up in known_hosts (9.2).
        return socket.inet_ntop(socket.AF_INET6, ipaddress.IPv6Address(text).packed)
    except ValueError:
        # Not chained: the message of ipaddress quotes the text.
        raise Invalid(f"is not an IPv6 address: {_FORMS}") from None


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise Invalid("has a port that is not a number from 1 to 65535: correct it, or leave `:port` out for 22")
    return int(text)


def repository_path(root_dir: str, sub_dir: str) -> str:
    """Return the folder that `borg serve` opens for the URL of these two (borg 1.2.4, 1.4.5)."""
    path = posixpath.normpath(f"{root_dir}/{sub_dir}")
    return "/" + path.lstrip("/")


def socket_of(path: str, sub_dir: str) -> str:
    """Return the socket of the repository at `sub_dir`, named as systemd names its units."""
    return path.replace(SUB_DIR, escaped(sub_dir))


def escaped(path: str) -> str:
    """Return a path as `systemd-escape --path` writes it: `web/db-1` becomes `web-db\\x2d1`."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    letters = "/".join(parts).encode("utf-8", "surrogateescape")
    # A leading dot would make a hidden file.
    plain = re.sub(rb"\A\.|[^A-Za-z0-9:_./]", lambda found: rb"\x%02x" % found[0][0], letters)
    return plain.replace(b"/", b"-").decode()
