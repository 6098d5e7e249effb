"""One real sshd with Debian's default configuration, on a port and with keys of its own.

It must say nothing in its configuration that makes borgpull's work easier than a server that nobody touched.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from borgpull import config
from borgpull.errors import Failure
from borgpull.ssh import Key, make_key

from . import processes

LAB = "lab"
# Where whoever starts the lab has borg leave out its test of itself, each borg of the lab does.
SELF_TEST = [f"{name}={os.environ[name]}" for name in ("BORG_SELFTEST",) if name in os.environ]
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_SECONDS_TO_START = 10.0
_ATTEMPTS = 5

# /etc/ssh/sshd_config as Debian 12 ships it, without its comments and its Include
_DEBIAN_DEFAULT = """\
KbdInteractiveAuthentication no
X11Forwarding yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a host of the lab is to live. Port 0 is a free one; `prefix` is put before sshd's command line.

    `sshd_lines` come first in its configuration: sshd obeys the first value that it reads.
    """

    name: str
    address: str = "127.0.0.1"
    port: int = 0
    prefix: tuple[str, ...] = ()
    sshd_lines: tuple[str, ...] = ()
    borg_path: str = ""


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host whose sshd is running as `pid`. `key` opens it, and `directory` holds what it leaves behind."""

    spot: Spot
    port: int
    pid: int
    user: str
    key: Key
    host_key: Key
    directory: Path

    @property
    def name(self) -> str:
        """Return its name."""
        return self.spot.name

    @property
    def endpoint(self) -> str:
        """Return `address:port` as a config spells it; the port is left out when it is 22."""
        address = self.spot.address
        if self.port == 22:
            return address
        return f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"

    @property
    def known_host(self) -> str:
        """Return the line that ssh-keyscan would print for it."""
        name = self.spot.address if self.port == 22 else f"[{self.spot.address}]:{self.port}"
        return f"{name} {self.host_key.public}"

    def connection(self, *, port: int = 0) -> config.Connection:
        """Return the way to it as borgpull has it, or to another port under its names and keys."""
        return config.Connection.model_construct(
            host=config.Host(self.spot.address, port or self.port),
            username=self.user,
            known_host=self.known_host + "\n",
            private_key=SecretStr(self.key.private),
        )

    @property
    def temporary(self) -> Path:
        """Return the TMPDIR of its sessions."""
        return self.directory / "tmp"


@contextlib.contextmanager
def host_running(directory: Path, spot: Spot) -> Iterator[Host]:
    """Start sshd for `spot`, its files in the new `directory`; it and its sessions end with the context.

    Raises Failure when sshd is missing or does not start.
    """
    directory.mkdir(mode=0o700)
    (directory / "tmp").mkdir(mode=0o700)
    key, host_key = make_key(directory / "user_key"), make_key(directory / "host_key")
    (directory / "user_key").unlink()  # a copy here would look like a leak of borgpull
    (directory / "authorized_keys").write_text(key.public + "\n", encoding="ascii")
    with sshd_running(directory, spot) as (pid, port):
        try:
            yield Host(
                spot=spot,
                port=port,
                pid=pid,
                user=pwd.getpwuid(os.getuid()).pw_name,
                key=key,
                host_key=host_key,
                directory=directory,
            )
        finally:
            # a session outlives the listener that took its connection
            processes.end(processes.descendants(pid))


@contextlib.contextmanager
def sshd_running(directory: Path, spot: Spot) -> Iterator[tuple[int, int]]:
    """Run an sshd whose keys lie in `directory` already; yields its pid and its port. Raises Failure."""
    sshd = _program()
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = directory / "sshd.log"
    for _ in range(_ATTEMPTS):  # another process may take the free port before sshd does
        port = spot.port or _free_port(spot.address)
        settings = directory / "sshd_config"
        settings.write_text(_config(directory, spot, port), encoding="utf-8")
        log.write_bytes(b"")
        with processes.daemon([*spot.prefix, sshd, "-D", "-e", "-f", str(settings)], log=log) as pid:
            if _listens(pid, log):
                yield pid, port
                return
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    raise Failure(
        LAB,
        f"the sshd of {spot.name} did not start: {said or 'it said nothing'}",
        hint="see whether this machine's sshd works at all: `sshd -t`",
    )


def find_program(name: str) -> str | None:
    """Return the path of a program, also of one in the sbin folders that an ordinary user's PATH lacks."""
    return shutil.which(name) or shutil.which(name, path=_SBIN)


def _program() -> str:
    found = find_program("sshd")
    if found is None:
        raise Failure(LAB, "there is no sshd on this machine", hint="sudo apt install openssh-server")
    return str(Path(found).resolve())  # sshd insists on an absolute path


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _config(directory: Path, spot: Spot, port: int) -> str:
    sudo = os.getuid() == 0
    needed = [
        f"ListenAddress {spot.address}",
        f"Port {port}",
        f"HostKey {directory}/host_key",
        "PidFile none",
        f"AuthorizedKeysFile {directory}/authorized_keys",
        "StrictModes no",
        "PermitRootLogin prohibit-password" if sudo else "",
        # an ordinary user cannot ask PAM about an account
        f"UsePAM {'yes' if sudo else 'no'}",
        # Borg's cache and temporary files stay out of the real home, and what the user's ~/.bashrc does out of the lab
        " ".join(["SetEnv", f"HOME={directory} BORG_BASE_DIR={directory} TMPDIR={directory / 'tmp'}", *SELF_TEST]),
    ]
    return "\n".join([*spot.sshd_lines, *needed, _DEBIAN_DEFAULT])


def _listens(pid: int, log: Path) -> bool:
    # its own word, because a connection would also be answered by a stranger that took the port
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and not processes.has_ended(pid):
        if b"Server listening on" in log.read_bytes():
            return True
        time.sleep(0.005)
    return False
