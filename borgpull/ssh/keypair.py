"""New ed25519 keys to log in with, and the public half of a private key. The files lie where the caller says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CONTROLLER, Failure
from ..hostile import clean
from .identity import key_file, keygen


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key pair; `public` is `ssh-ed25519 AAAA...` without a comment."""

    private: str = field(repr=False)
    public: str


def make_key(path: Path) -> Key:
    """Make a key pair in the files `path` (mode 0600) and `path`.pub. Raises Failure."""
    done = keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))
    if done.returncode != 0:
        said = clean(done.stderr.decode("utf-8", "replace").strip())
        raise Failure(CONTROLLER, f"ssh-keygen made no key: {said}", hint="see what it says")
    public = path.with_suffix(".pub").read_text(encoding="ascii")
    return Key(private=path.read_text(encoding="ascii"), public=_bare(public))


def new_key(directory: Path) -> Key:
    """Make a key pair, and leave no file of it in `directory`, a private one in memory. Raises Failure."""
    path = directory / "new_key"
    try:
        return make_key(path)
    finally:
        for file in (path, path.with_suffix(".pub")):
            file.unlink(missing_ok=True)


def public_key(private: str, directory: Path) -> str:
    """Return the public half of a private key that `key_problem` found nothing wrong with. Raises Failure."""
    with key_file(private, directory) as path:
        done = keygen("-y", "-P", "", "-f", str(path))
    if done.returncode != 0:
        raise Failure(CONTROLLER, "ssh-keygen could not read the private key", hint="give another key")
    return _bare(done.stdout.decode("ascii", "replace"))


def _bare(public: str) -> str:
    return " ".join(public.split()[:2])
