"""Private keys, known_hosts and host keys, read by ssh's own tools; and new keys to log in with.

A key is in a 0600 file in the directory given, a private one in memory, only while ssh-keygen runs. No part of a
private key gets into a message, not even when it was put in the wrong place. What a host says is untrusted text.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CONTROLLER, Failure, failure_of, first_few
from ..process import Completed, run_now
from ..untrusted import clean

_FOUND = re.compile(rb"^# Host .* found: line \d+ ?(CA|REVOKED|)\s*$")
_CERTIFICATE = re.compile(r"Type: \S+ user certificate\s+Public key: \S+ (\S+)")
_VALID = re.compile(r"Valid: (?:(?:from|after) (\S+))? ?(?:(?:to|before) (\S+))?")
_TYPE = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]{1,60}")
_SCANNED = re.compile(rb"^\S{1,300} ssh-ed25519 ([A-Za-z0-9+/]{40,200}={0,2})\s*$", re.MULTILINE)
_BANNER = re.compile(rb"^# \S+ SSH-", re.MULTILINE)
_LONGEST_SHOWN = 80
# What the blob of an ed25519 key has before its 32 bytes (RFC 8709).
_ED25519 = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
_UNATTENDED = "; a backup cannot use a key in an agent or a hardware token (sk-), which somebody has to unlock or touch"
_SCAN_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key pair; `public` is `ssh-ed25519 AAAA...` without a comment."""

    private: str = field(repr=False)
    public: str


@dataclass(frozen=True)
class HostKey:
    """A host key, in base64 as in known_hosts. Whoever answers shows one: a human has to confirm it."""

    blob: str

    @property
    def fingerprint(self) -> str:
        """Return `SHA256:...`, as `ssh-keygen -lf` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")

    def known_host(self, name: str, port: int) -> str:
        return f"{name if port == 22 else f'[{name}]:{port}'} ssh-ed25519 {self.blob}"


def key_problem(directory: Path, key: str, certificate: str = "") -> str | None:
    """Return why ssh cannot log in with this private key, or with its certificate, and the remedy; None when it can.

    Raises Failure when ssh-keygen cannot be run.
    """
    if certificate:
        return ": ".join(certificate_problem(directory, key, certificate)) or None
    with _key_file(key, directory) as path:
        done = _run("ssh-keygen", "-y", "-P", "", "-f", str(path))
    if done.returncode == 0:
        return f"is for a hardware token: make another key{_UNATTENDED}" if done.stdout.startswith(b"sk-") else None
    # "incorrect passphrase", else "error in libcrypto" or "invalid format": OpenSSH 8.4 to 10.5.
    if b"incorrect passphrase" in done.stderr:
        return "is encrypted: remove its passphrase with `ssh-keygen -p -f FILE`, and paste it again"
    return _describe_broken_key(key)


def _describe_broken_key(key: str) -> str:
    if _TYPE.match(key):
        return f"is a public key: paste the private one, the file without `.pub`{_UNATTENDED}"
    if key.startswith("PuTTY-User-Key-File"):
        return "is a PuTTY key: convert it with `puttygen FILE -O private-openssh`"
    if "-----BEGIN" not in key:
        return "is not a private key: paste it from its BEGIN line to its END line"
    if "-----END" not in key:
        return "is cut off: paste the private key up to and including its END line"
    return "is damaged, or of a kind that ssh cannot read: paste it again, with its line breaks"


def certificate_problem(directory: Path, key: str, certificate: str, *, dated: bool = False) -> tuple[str, ...]:
    """Return why ssh cannot log in with this certificate of a private key, and the remedy; nothing when it can.

    Its dates count only if `dated`. Without a key one for any key will do. Raises Failure.
    """
    with _key_file(certificate, directory) as path:
        said = _run("ssh-keygen", "-L", "-f", str(path)).stdout.decode("utf-8", "replace")
    found, valid = _CERTIFICATE.search(said), _VALID.search(said)
    if not found or not valid:
        return "is not the OpenSSH certificate of a user", "paste the file from the CA that ends in `-cert.pub`"
    if key and HostKey(public_key(key, directory).split()[1]).fingerprint != found[1]:
        return "is for another private key", "have the CA sign the public key of this one"
    # ssh-keygen writes local time, and that of our children is UTC.
    today = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    if dated and valid[2] and today >= valid[2]:
        return f"expired at {valid[2]} UTC", "have the CA sign the public key again"
    if dated and valid[1] and today < valid[1]:
        return f"is not valid before {valid[1]} UTC", "check the clock of this machine"
    return ()


def make_key(path: Path) -> Key:
    """Make a key pair in the files `path` (mode 0600) and `path`.pub. Raises Failure."""
    done = _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))
    if done.returncode != 0:
        said = clean(done.stderr.decode("utf-8", "replace").strip())
        raise Failure(CONTROLLER, f"ssh-keygen could not make a key: {said}", hint="fix what it reports")
    public = path.with_suffix(".pub").read_text(encoding="ascii")
    return Key(private=path.read_text(encoding="ascii"), public=_without_comment(public))


def new_key(directory: Path) -> Key:
    """Make a key pair, and leave no file of it in `directory`, a private one in memory. Raises Failure."""
    with tempfile.TemporaryDirectory(dir=directory) as own:
        return make_key(Path(own) / "key")


def public_key(private: str, directory: Path) -> str:
    """Return the public half of a private key that has no `key_problem`. Raises Failure."""
    with _key_file(private, directory) as path:
        done = _run("ssh-keygen", "-y", "-P", "", "-f", str(path))
    if done.returncode != 0:
        raise Failure(CONTROLLER, "ssh-keygen could not read the private key", hint="give another key")
    return _without_comment(done.stdout.decode("ascii", "replace"))


def _without_comment(public: str) -> str:
    return " ".join(public.split()[:2])


def known_host_problem(host: str, port: int, known_host: str, directory: Path) -> str | None:
    """Return why `known_host` has no valid key for this host, and the remedy; None when it has one.

    Looks for `[host]:port` and, as ssh does, for the bare name when there is no such entry. Raises Failure
    when ssh-keygen cannot be run.
    """
    names = [host] if port == 22 else [f"[{host}]:{port}", host]
    if "@" not in known_host and any(_is_plain(line.split(), names[0]) for line in known_host.splitlines()):
        return None
    revoked: set[bytes] = set()
    with _key_file(known_host, directory) as path:
        for name in names:
            trusted, refused = _look_up(name, path)
            revoked |= refused
            if trusted - revoked:
                return None
    scan_command = f"ssh-keyscan {host}" if port == 22 else f"ssh-keyscan -p {port} {host}"
    found = f"has only revoked keys for `{names[0]}`" if revoked else _describe_entries(known_host, names[0])
    return f"{found}: paste the output of `{scan_command}`"


def _is_plain(fields: list[str], name: str) -> bool:
    """Tell whether an entry is beyond doubt a key for this very name, so that no program has to read it."""
    blob = _decoded(fields[2]) if fields[:2] == [name, "ssh-ed25519"] and len(fields) > 2 else b""
    return len(blob) == len(_ED25519) + 32 and blob.startswith(_ED25519)


def _look_up(name: str, path: Path) -> tuple[set[bytes], set[bytes]]:
    # Without -l ssh-keygen matches lines whose key it cannot parse, and which ssh therefore skips (9.2).
    lines = _run("ssh-keygen", "-l", "-F", name, "-f", str(path)).stdout.splitlines()
    trusted: set[bytes] = set()
    revoked: set[bytes] = set()
    for header, key in itertools.pairwise(lines):
        if found := _FOUND.match(header):
            (revoked if found[1] == b"REVOKED" else trusted).add(b" ".join(key.split()[1:3]))
    return trusted, revoked


def _describe_entries(known_host: str, wanted: str) -> str:
    names = list(dict.fromkeys(_names(known_host)))
    if not names:
        return "has no valid host key"
    return f"has keys for {first_few(names)}, but none for `{wanted}`"


def _names(known_host: str) -> Iterator[str]:
    """Yield the names of well-formed entries only: a private key in the wrong place has none."""
    for line in known_host.splitlines():
        fields = line.split()
        if fields and fields[0].startswith("@"):
            del fields[0]
        if len(fields) > 2 and _TYPE.fullmatch(fields[1]):
            kind = fields[1].encode()
            if _decoded(fields[2])[4 : 4 + len(kind)] == kind:
                hashed = fields[0].startswith("|")
                yield "a hashed name" if hashed else f"`{clean(fields[0], longest=_LONGEST_SHOWN)}`"


def fingerprints(known_hosts: str) -> frozenset[str]:
    """Return the SHA-256, in hex, of each host key in a known_hosts text, without keys of a CA and revoked ones."""
    entries = [line.split() for line in known_hosts.splitlines() if not line.startswith(("@", "#"))]
    blobs = [_decoded(words[2]) for words in entries if len(words) > 2]
    return frozenset(hashlib.sha256(blob).hexdigest() for blob in blobs if blob)


def scan(name: str, port: int, *, party: str) -> HostKey:
    """Ask a host for its ed25519 key, which a human has to confirm. Raises Failure, in the name of `party`.

    It asks for one kind only: each kind is a connection without a login, and OpenSSH 9.8 and later block the address
    for a while after some of them.
    """
    options = ("-T", str(_SCAN_SECONDS), "-t", "ed25519", "-p", str(port), "--")
    done = _run("ssh-keyscan", *options, name, seconds=3 * _SCAN_SECONDS)
    found = _SCANNED.search(done.stdout)
    if found and _decoded(found[1]):
        return HostKey(found[1].decode("ascii"))
    if _BANNER.search(done.stderr):
        raise Failure(party, "it has no ed25519 host key", hint="make one there: `ssh-keygen -A`, and restart its sshd")
    if b"getaddrinfo" in done.stderr:
        raise Failure(party, f"the name {name} cannot be resolved", hint="correct the host's name")
    raise Failure(
        party,
        f"no sshd answered on {name} port {port}",
        hint="check that it runs and that the firewall lets this machine in; after many attempts, wait a minute",
    )


def _decoded(blob: str | bytes) -> bytes:
    """Return what is in a base64 text, nothing when it is none."""
    try:
        return base64.b64decode(blob, validate=True)
    except ValueError:
        return b""


@contextlib.contextmanager
def _key_file(text: str, directory: Path) -> Iterator[Path]:
    """Keep a text in a file of mode 0600, which ssh-keygen insists on, for as long as the context lasts."""
    with tempfile.NamedTemporaryFile("w", dir=directory, encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        yield Path(file.name)


def _run(program: str, *arguments: str, seconds: float = 60) -> Completed:
    """Run a short program of OpenSSH's. Raises Failure when it cannot be run."""
    try:
        return run_now([program, *arguments], timeout=seconds)
    except FileNotFoundError:
        problem, hint = f"{program} is not installed", "apt install openssh-client"
    except OSError as error:
        raise failure_of(error) from None
    except subprocess.TimeoutExpired:
        problem, hint = f"{program} did not answer", "try again"
    raise Failure(CONTROLLER, problem, hint=hint)
