"""The unix sockets on B of the road without a shell: one for each repository, named as systemd names its units."""

from __future__ import annotations

from . import fields

SUB_DIR = "{SubDir}"
# sun_path has 108 bytes, the last of them a zero.
LONGEST = 107
_KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


def problem(text: str) -> str | None:
    """Return what is wrong with the path of a socket, or None."""
    if text.count(SUB_DIR) != 1:
        return f"does not have `{SUB_DIR}` in it once: a socket belongs to one repository"
    return fields.absolute_path(text.replace(SUB_DIR, ""))


def of(text: str, sub_dir: str) -> str:
    """Return the path of the socket of the repository at `sub_dir`."""
    return text.replace(SUB_DIR, escaped(sub_dir))


def escaped(path: str) -> str:
    """Return a path as `systemd-escape --path` writes it: `web/db-1` becomes `web-db\\x2d1`."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    letters = "/".join(parts).encode("utf-8", "surrogateescape")
    # A dot at the beginning would make a hidden file.
    return "".join(
        "-"
        if letter == ord("/")
        else chr(letter)
        if letter in _KEPT and (place or letter != ord("."))
        else rf"\x{letter:02x}"
        for place, letter in enumerate(letters)
    )
