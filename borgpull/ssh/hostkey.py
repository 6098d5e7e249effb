"""The host key of a host that nobody knows yet, as it shows it to anybody who asks: for a human to confirm.

It must never be taken for the right one without that. What the host says is hostile text.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import re
from dataclasses import dataclass

from ..errors import Failure
from .keys import openssh

KIND = "ssh-ed25519"
_LINE = re.compile(rb"^\S{1,300} ssh-ed25519 ([A-Za-z0-9+/]{40,200}={0,2})\s*$", re.MULTILINE)
_BANNER = re.compile(rb"^# \S+ SSH-", re.MULTILINE)
_SECONDS = 10


@dataclass(frozen=True)
class HostKey:
    """An ed25519 host key, in base64 as in known_hosts."""

    blob: str

    @property
    def fingerprint(self) -> str:
        """Return `SHA256:...`, as `ssh-keygen -lf` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")

    def known_host(self, name: str, port: int) -> str:
        return f"{name if port == 22 else f'[{name}]:{port}'} {KIND} {self.blob}"


def fingerprints(known_hosts: str) -> frozenset[str]:
    """Return the SHA-256, in hex, of each host key in a known_hosts text; a key of a CA or a revoked one is none."""
    found = set()
    for line in known_hosts.splitlines():
        words = line.split()
        if len(words) > 2 and not line.startswith(("@", "#")):
            with contextlib.suppress(ValueError):
                found.add(hashlib.sha256(base64.b64decode(words[2], validate=True)).hexdigest())
    return frozenset(found)


def scan(name: str, port: int, *, party: str) -> HostKey:
    """Ask a host for its ed25519 key. Raises Failure, in the name of `party`.

    For that one key alone: each kind is a connection that ends without a login, for which OpenSSH 9.8 and later
    bar the address for a while after some of them.
    """
    options = ("-T", str(_SECONDS), "-t", "ed25519", "-p", str(port), "--")
    done = openssh("ssh-keyscan", *options, name, seconds=3 * _SECONDS)
    found = _LINE.search(done.stdout)
    if found and _is_base64(found[1]):
        return HostKey(found[1].decode("ascii"))
    if _BANNER.search(done.stderr):
        raise Failure(party, "it has no ed25519 host key", hint="make one there: `ssh-keygen -A`, and restart its sshd")
    if b"getaddrinfo" in done.stderr:
        raise Failure(party, f"the name {name} cannot be looked up", hint="correct the host's name")
    raise Failure(
        party,
        f"no sshd answered on {name} port {port}",
        hint="see that it runs, and that this machine may reach it: wait a minute if it was asked often",
    )


def _is_base64(blob: bytes) -> bool:
    try:
        base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    return True
