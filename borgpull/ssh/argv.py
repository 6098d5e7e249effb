"""Every ssh command line, and the ciphers it asks for. The user's configuration, agent and known_hosts are never used.

OpenSSH 8.4, 9.2, 9.9, 10.0 and 10.5 accept these options without a warning; their reasons were measured on them.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from ..config import Connection, Jump
from ..process import Command

CONNECT_SECONDS = 20

# The client's order decides. On x86-64 with AES-NI chacha20-poly1305, the default everywhere, takes two to three times
# the CPU of AES-GCM; without AES in hardware it is the other way round (OpenSSH 9.2 and 10.5).
AES_FIRST = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
CHACHA_FIRST = "^chacha20-poly1305@openssh.com"
# The line of /proc/cpuinfo on x86, and on arm64.
_CPU_FLAGS = re.compile(r"^(?:flags|Features)[ \t]*:(.*)$", re.MULTILINE)

# IgnoreUnknown must come first: older clients do not know the options named in it.
_HERMETIC = (
    "IgnoreUnknown=WarnWeakCrypto,RequiredRSASize,KnownHostsCommand,LogVerbose,PubkeyAcceptedAlgorithms",
    "WarnWeakCrypto=no",
    "KnownHostsCommand=none",
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "CheckHostIP=no",
    "NoHostAuthenticationForLocalhost=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "AddKeysToAgent=no",
    "PreferredAuthentications=publickey",
    "PubkeyAuthentication=yes",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "HostbasedAuthentication=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "CanonicalizeHostname=no",
    f"ConnectTimeout={CONNECT_SECONDS}",
    "ConnectionAttempts=1",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "TCPKeepAlive=yes",
    "Compression=no",
    # The default of 7.8 to 10.0 is a scavenger class that congested networks drop first.
    "IPQoS=none",
    "EscapeChar=none",
    "RequestTTY=no",
    # At ERROR the lines "Connection closed by ..." vanish, and with them the cause.
    "LogLevel=INFO",
    # It is silent on success. At INFO nothing tells a server that takes RSA keys with SHA-1 alone from a refused key.
    "LogVerbose=sshconnect2.c:send_pubkey_test():*",
)


def _options(*options: str) -> list[str]:
    return [word for option in options for word in ("-o", option)]


def master(where: Connection | Jump, directory: Path, *, through: Path | None) -> list[str]:
    """Return the argv of a master in the foreground; its stdout closes once it listens on `ctl` in `directory`.

    The files `key`, `key-cert.pub` and `known_hosts` there can go once it does. `through` is the control socket of
    its jump host's master, if it has one.
    """
    lists = {"Ciphers": preferred_ciphers()} | where.algorithms
    own = [f"UserKnownHostsFile={directory}/known_hosts", f"IdentityFile={directory}/key"]
    own += [f"{name}={value}" for name, value in lists.items()]
    lasting = ("ControlPersist=no", "ExitOnForwardFailure=yes", f"ProxyCommand={_proxy(through)}")
    argv = ["-M", "-N", "-n", "-S", f"{directory}/ctl", "-F", "none", "-x", "-a", "-T"]
    argv += _options(*_HERMETIC, *own, *lasting)
    return Command("ssh")[(*argv, "-l", where.username, "-p", str(where.host.port), "--", where.host.name)].formulate()


def _proxy(through: Path | None) -> str:
    # -J would pass the jump host neither our key nor our known_hosts, only -l, -p, -F and -v. This client hands its
    # descriptors to the jump host's master, and idles.
    if through is None:
        return "none"
    # The outer ssh expands %h and %p, so every other % is doubled.
    fixed = Command("ssh")[_client(through)].formulate(2)
    return " ".join(fixed).replace("%", "%%") + " -W '[%h]:%p' -- x"


def client(control: Path, *arguments: object) -> list[str]:
    """Return the argv of a client of the master at `control`.

    ProxyCommand=false and the dummy host "x": when a master refuses a session, ssh would otherwise silently
    open a connection of its own (seen on 8.4, 9.2 and 10.5).
    """
    return Command("ssh")[_client(control)][arguments].formulate()


def _client(control: Path) -> tuple[str, ...]:
    options = _options("ControlMaster=no", "ProxyCommand=false", "BatchMode=yes")
    return ("-F", "none", *options, "-S", str(control), "-T")


def execute(control: Path, command: object) -> list[str]:
    """Return the argv that runs `command`, a plumbum command, on the master's host."""
    return client(control, "x", command)


def control(path: Path, operation: str, *arguments: str) -> list[str]:
    return client(path, "-O", operation, *arguments, "x")


def has_aes(cpuinfo: str) -> bool | None:
    """Return whether /proc/cpuinfo shows AES in hardware; None where the kernel does not say (s390, POWER)."""
    found = _CPU_FLAGS.search(cpuinfo)
    return "aes" in found[1].split() if found else None


@functools.cache
def preferred_ciphers() -> str:
    """Return the ciphers of a connection that sets none, as in ssh_config(5)."""
    return CHACHA_FIRST if has_aes(read_cpuinfo()) is False else AES_FIRST


def read_cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
