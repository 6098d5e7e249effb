"""New ed25519 keys for a lab. They open nothing but that lab, and are removed with its directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .. import proc
from ..errors import Failure

LAB = "lab"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key pair; `public` is `ssh-ed25519 AAAA...` without a comment."""

    private: str = field(repr=False)
    public: str


def make_key(path: Path) -> Key:
    """Make a key pair in the files `path` (mode 0600) and `path`.pub. Raises Failure."""
    done = proc.run_now(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)])
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Failure(LAB, f"ssh-keygen made no key: {said}", hint="sudo apt install openssh-client")
    kind, text = path.with_suffix(".pub").read_text(encoding="ascii").split()[:2]
    return Key(private=path.read_text(encoding="ascii"), public=f"{kind} {text}")
