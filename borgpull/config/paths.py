"""Where a repository lies on B, and which sockets it has there."""

from __future__ import annotations

import posixpath

SUB_DIR = "{SubDir}"
_KEPT_IN_UNITS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


def repository_path(root_dir: str, sub_dir: str) -> str:
    """Return the folder that `borg serve` opens for the URL of these two (borg 1.2.4, 1.4.5)."""
    path = posixpath.normpath(f"{root_dir}/{sub_dir}")
    return "/" + path.lstrip("/")


def socket_of(path: str, sub_dir: str) -> str:
    """Return the socket of the repository at `sub_dir`: each has its own, named as systemd names its units."""
    return path.replace(SUB_DIR, escaped(sub_dir))


def escaped(path: str) -> str:
    """Return a path as `systemd-escape --path` writes it: `web/db-1` becomes `web-db\\x2d1`."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    letters = "/".join(parts).encode("utf-8", "surrogateescape")
    # A dot at the beginning would make a hidden file.
    return "".join(
        "-"
        if letter == ord("/")
        else chr(letter)
        if letter in _KEPT_IN_UNITS and (place or letter != ord("."))
        else rf"\x{letter:02x}"
        for place, letter in enumerate(letters)
    )
