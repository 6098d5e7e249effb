"""What ssh printed, turned into the party that failed, the cause in an operator's words, and what to do.

The one place where ssh's text is read. Texts are those of OpenSSH 8.4 to 10.5 (every failure exits 255).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import Failure
from ..hostile import last_lines


@dataclass(frozen=True)
class _Sign:
    pattern: re.Pattern[str]
    cause: str
    hint: str
    transient: bool = False


def _sign(pattern: str, cause: str, hint: str = "", *, transient: bool = False) -> _Sign:
    return _Sign(re.compile(pattern), cause, hint, transient)


# The first that matches wins: causes stand before their consequences.
_SIGNS = (
    _sign(
        r"REVOKED HOST KEY|was revoked and you have requested",
        "its host key is marked as revoked in KnownHost",
        "scan the new key with ssh-keyscan, compare its fingerprint on the host, and put it into KnownHost",
    ),
    _sign(
        r"HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "its host key is not the one in KnownHost: the host was set up anew, or somebody else answers",
        "find out why before you change KnownHost; on the host: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    ),
    _sign(
        r"No .* host key is known for|Host key verification failed",
        "its host key is not in KnownHost",
        "add what `ssh-keyscan -t ed25519 -p PORT HOST` prints to KnownHost, after comparing the fingerprint",
    ),
    _sign(
        r"Permission denied|Too many authentication failures",
        "it refused the key",
        "check Username and PrivateKey, and that the public key stands in ~/.ssh/authorized_keys of that user",
    ),
    _sign(
        r"Temporary failure in name resolution",
        "its name cannot be resolved at the moment",
        "check the DNS of this machine",
        transient=True,
    ),
    _sign(
        r"Could not resolve hostname|Name or service not known",
        "its name cannot be resolved",
        "check Host and the DNS of this machine",
    ),
    _sign(
        r"administratively prohibited",
        "its jump host refuses to lead on to it",
        "in the jump host's sshd_config set `AllowTcpForwarding yes` (or `local`), no `DisableForwarding`; in "
        "authorized_keys there no `restrict` without `port-forwarding`",
    ),
    _sign(
        r"Connection refused",
        "the connection was refused: no sshd listens on that port",
        "check Host and its port, and that sshd runs there",
        transient=True,
    ),
    _sign(
        r"No route to host|Network is unreachable|Host is down",
        "it cannot be reached over the network",
        "check the route and the firewall between this machine and it",
        transient=True,
    ),
    _sign(
        r"Connection timed out|Operation timed out|banner exchange",
        "it did not answer in time",
        "check that it is up, and the firewall between this machine and it",
        transient=True,
    ),
    _sign(
        r"Unable to negotiate|no matching (key exchange|host key|cipher|MAC)",
        "it and our ssh have no algorithm in common",
        "one of the two is too old: update its openssh-server, or the openssh-client here",
    ),
    _sign(
        r"Timeout, server .* not responding",
        "the link was lost: it stopped answering",
        "the next run goes on from the last checkpoint; check the network if this happens again",
        transient=True,
    ),
    _sign(
        r"Session open refused by peer|session request failed",
        "it refused another session",
        "raise MaxSessions in its sshd_config, or lower Jobs",
        transient=True,
    ),
    _sign(
        r"No user exists for uid",
        "this machine has no account for the uid that borgpull runs as",
        "add it to /etc/passwd (containers: run as a named user)",
    ),
    _sign(
        r"kex_exchange_identification|Connection closed by|Connection reset|closed by remote host",
        "it closed the connection",
        "look at sshd's log there: MaxStartups, PerSourcePenalties, fail2ban or a full disk can do that",
        transient=True,
    ),
)


def diagnose(party: str, said: str, *, doing: str = "connect") -> Failure:
    """Turn what ssh said about `party` into a Failure; `doing` names what was tried, when no text is known.

    Only the last lines are read: a peer can print a megabyte that takes hours to search.
    """
    detail = last_lines(said)
    for sign in _SIGNS:
        if sign.pattern.search(detail):
            return Failure(party, sign.cause, hint=sign.hint, detail=detail, transient=sign.transient)
    last = detail.rpartition("\n")[2]
    cause = f"ssh could not {doing}" + (f": {last}" if last else " and did not say why")
    return Failure(party, cause, hint="run again with -v to see all that ssh said", detail=detail)


def diagnose_jump(party: str, said: str) -> Failure:
    """Do what `diagnose` does for a connection through a jump host, and say which of the two hosts failed.

    The outer ssh says "UNKNOWN port 65535" when its ProxyCommand ended; a hop that stood and could not lead on says
    "stdio forwarding failed" before that (seen on 9.2).
    """
    failure = diagnose(party, said)
    if "UNKNOWN port 65535" not in failure.detail or "stdio forwarding failed" in failure.detail:
        return failure
    return Failure(
        party,
        f"its jump host: {_of_jump(failure.cause)}",
        hint=_of_jump(failure.hint),
        detail=failure.detail,
        transient=failure.transient,
    )


def _of_jump(text: str) -> str:
    return re.sub(r"\b(Host|KnownHost)\b", r"ProxyJump\1", text)
