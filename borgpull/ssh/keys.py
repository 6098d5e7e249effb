"""Keys and known_hosts, judged by ssh's own tools before anything is contacted; and new keys to log in with.

The texts lie in a 0600 file in the directory given (a private one, in memory) for as long as a check takes.
No word of a private key ever gets into a message, not even when it was put in the wrong place.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CONTROLLER, Failure
from ..process import Completed, run_now
from ..untrusted import clean

_FOUND = re.compile(rb"^# Host .* found: line \d+ ?(CA|REVOKED|)\s*$")
_TYPE = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]{1,60}")
_MOST_NAMES = 5
_LONGEST_SHOWN = 80


def key_problem(key: str, directory: Path) -> str | None:
    """Return why ssh could not log in with this private key and what to do, or None.

    Raises Failure when ssh-keygen cannot be run.
    """
    with _key_file(key, directory) as path:
        done = openssh("ssh-keygen", "-y", "-P", "", "-f", str(path))
    if done.returncode == 0:
        return None
    # "incorrect passphrase" and "error in libcrypto" or "invalid format": OpenSSH 8.4 to 10.5.
    if b"incorrect passphrase" in done.stderr:
        return "is encrypted: remove its passphrase with `ssh-keygen -p -f FILE`, and paste it again"
    return _broken(key)


def _broken(key: str) -> str:
    if _TYPE.match(key):
        return "is a public key: paste the private one, the file without `.pub`"
    if key.startswith("PuTTY-User-Key-File"):
        return "is a PuTTY key: convert it with `puttygen FILE -O private-openssh`"
    if "-----BEGIN" not in key:
        return "is not a private key: paste it from its BEGIN line to its END line"
    if "-----END" not in key:
        return "is cut off: paste the private key up to and including its END line"
    return "is damaged, or of a kind that ssh cannot read: paste it again, every line on a line of its own"


def known_host_problem(host: str, port: int, known_host: str, directory: Path) -> str | None:
    """Return why no entry of `known_host` can vouch for this host and what to do, or None.

    Looks for `[host]:port` and, as ssh does, for the bare name when there is no such entry. Raises Failure
    when ssh-keygen cannot be run.
    """
    names = [host] if port == 22 else [f"[{host}]:{port}", host]
    revoked: set[bytes] = set()
    with _key_file(known_host, directory) as path:
        for name in names:
            trusted, refused = _lookup(name, path)
            revoked |= refused
            if trusted - revoked:
                return None
    if revoked:
        return f"has only revoked keys for `{names[0]}`: {_remedy(host, port)}"
    return f"{_held(known_host, names[0])}: {_remedy(host, port)}"


def _lookup(name: str, path: Path) -> tuple[set[bytes], set[bytes]]:
    # Without -l ssh-keygen matches lines whose key it cannot parse, and which ssh therefore skips (9.2).
    lines = openssh("ssh-keygen", "-l", "-F", name, "-f", str(path)).stdout.splitlines()
    trusted: set[bytes] = set()
    revoked: set[bytes] = set()
    for header, key in itertools.pairwise(lines):
        if found := _FOUND.match(header):
            (revoked if found[1] == b"REVOKED" else trusted).add(b" ".join(key.split()[1:3]))
    return trusted, revoked


def _held(known_host: str, wanted: str) -> str:
    names = list(dict.fromkeys(_names(known_host)))
    if not names:
        return "holds no host key that can be read"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"has keys for {', '.join(names[:_MOST_NAMES])}{more}, but none for `{wanted}`"


def _names(known_host: str) -> Iterator[str]:
    """Yield the names of well-formed entries only: a private key in the wrong place has none."""
    for line in known_host.splitlines():
        fields = line.split()
        if fields and fields[0].startswith("@"):
            del fields[0]
        if len(fields) < 3 or not _is_public_key(*fields[1:3]):
            continue
        yield ("a hashed name" if fields[0].startswith("|") else f"`{clean(fields[0], longest=_LONGEST_SHOWN)}`")


def _is_public_key(kind: str, blob: str) -> bool:
    try:
        data = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(_TYPE.fullmatch(kind)) and data[4 : 4 + len(kind)] == kind.encode()


def _remedy(host: str, port: int) -> str:
    return (
        f"paste what `ssh-keyscan -p {port} {host}` prints" if port != 22 else f"paste what `ssh-keyscan {host}` prints"
    )


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key pair; `public` is `ssh-ed25519 AAAA...` without a comment."""

    private: str = field(repr=False)
    public: str


def make_key(path: Path) -> Key:
    """Make a key pair in the files `path` (mode 0600) and `path`.pub. Raises Failure."""
    done = openssh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))
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
    with _key_file(private, directory) as path:
        done = openssh("ssh-keygen", "-y", "-P", "", "-f", str(path))
    if done.returncode != 0:
        raise Failure(CONTROLLER, "ssh-keygen could not read the private key", hint="give another key")
    return _bare(done.stdout.decode("ascii", "replace"))


def _bare(public: str) -> str:
    return " ".join(public.split()[:2])


@contextlib.contextmanager
def _key_file(text: str, directory: Path) -> Iterator[Path]:
    """Keep a text in a file of mode 0600, which ssh-keygen insists on, for as long as the context lasts."""
    descriptor, name = tempfile.mkstemp(dir=directory)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        yield path
    finally:
        path.unlink(missing_ok=True)


def openssh(program: str, *arguments: str, seconds: float = 10) -> Completed:
    """Run a short program of OpenSSH's. Raises Failure when it cannot be run."""
    problem, hint = f"{program} did not answer", "try again"
    try:
        return run_now([program, *arguments], timeout=seconds)
    except FileNotFoundError:
        problem, hint = f"{program} is not installed", "apt install openssh-client"
    except OSError as error:
        problem, hint = f"{program} cannot be started: {clean(error.strerror or '')}", f"type `{program}`"
    except subprocess.TimeoutExpired:
        pass
    raise Failure(CONTROLLER, problem, hint=hint)
