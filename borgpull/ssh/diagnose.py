"""Turns what ssh printed into the party that failed, the cause in an operator's words, and what to do.

Nothing else reads ssh's text. The patterns are those of OpenSSH 8.4 to 10.5, where every failure exits 255.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..config import Jump
from ..errors import CONTROLLER, Failure, the
from ..untrusted import last_lines

# How long a login shell may take to begin what it is given.
BEGIN_SECONDS = 60.0


class _Sign(NamedTuple):
    """A text of ssh, and what it means.

    `{jump}` is the host on the way, `{key}` what its keys begin with there, `{0}` the first group of the pattern.
    """

    pattern: str
    cause: str
    hint: str
    transient: bool = False


def _no_common(what: str, key: str) -> _Sign:
    """Return the sign of two sides without a common algorithm; `{1}` is the one that the server prefers."""
    return _Sign(
        rf"(no matching {what} found\. Their offer: ([^\s,]+).*)",
        "it and our ssh have no algorithm in common: {0}",
        f'in its connection set {key} = "+{{1}}", until openssh-server there, or openssh-client here, is newer',
    )


_CHECK_CERTIFICATE = "check TrustedUserCAKeys there, and the CA and principals by `ssh-keygen -L -f FILE-cert.pub`"
_REFUSED = "it refused the key"
_UNREACHABLE = ("it cannot be reached over the network", "it did not answer in time")
# The first match wins: a cause comes before its consequences.
_SIGNS = (
    _Sign(
        r"REVOKED HOST KEY|was revoked and you have requested",
        "its host key is marked as revoked in KnownHost",
        "scan the new key with ssh-keyscan, compare its fingerprint on the host, and put it in {key}KnownHost",
    ),
    _Sign(
        r"HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "its host key is not the one in KnownHost: the host was reinstalled, or another host answers",
        "find out why before you change {key}KnownHost; on the host: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    ),
    _Sign(
        r"No .* host key is known for|Host key verification failed",
        "its host key is not in KnownHost",
        "compare the fingerprint, then add the output of `ssh-keyscan -t ed25519 -p PORT HOST` to {key}KnownHost",
    ),
    _Sign(
        "no mutual signature",
        "it accepts an RSA key only with a SHA-1 signature (ssh-rsa), which our ssh does not make",
        'log in with an ed25519 key, or set PubkeyAcceptedAlgorithms = "+ssh-rsa" in its connection',
    ),
    _Sign(
        r"account has expired|[Pp]assword (has expired|change required)",
        "the account there has expired, or its password",
        "there, as root: `chage -l USER` shows which, `chage -E -1 -M -1 -d $(date +%F) USER` lets both last",
    ),
    _Sign(
        "pam_nologin|System is (booting up|going down)",
        "it is starting up or shutting down, and lets nobody log in yet",
        "wait until it is up; if it is: remove /run/nologin and /etc/nologin there",
        transient=True,
    ),
    _Sign(
        r"Permission denied \((?!.*publickey)",
        "its sshd takes no keys for this user, or wants more than a key",
        "in its sshd_config set `PubkeyAuthentication yes`, and no `AuthenticationMethods` for this user",
    ),
    _Sign(
        r"Permission denied|Too many authentication failures",
        _REFUSED,
        "check {key}Username and {key}PrivateKey, and that ~/.ssh/authorized_keys of that user has the public key; if "
        "its sshd trusts only a CA, set Certificate beside PrivateKey; the log of sshd there says if it is something "
        "else, such as a locked account",
    ),
    _Sign(
        r"connect failed: (Name or service not known|Temporary failure in name resolution|No address associated)",
        "{jump} cannot resolve its name",
        "check {key}Host, and the DNS of the jump host, which resolves the name",
    ),
    _Sign(
        r"Temporary failure in name resolution",
        "its name cannot be resolved at the moment",
        "check the DNS of this machine",
        transient=True,
    ),
    _Sign(
        r"Could not resolve hostname|Name or service not known",
        "its name cannot be resolved",
        "check {key}Host and the DNS of this machine",
    ),
    _Sign(
        r"administratively prohibited",
        "{jump} refuses to forward to it",
        "in the jump host's sshd_config set `AllowTcpForwarding yes` (or `local`), no `DisableForwarding`; in its "
        "authorized_keys no `restrict` without `port-forwarding`, no `permitopen` for other hosts only",
    ),
    _Sign(
        r"Connection refused",
        "the connection was refused: no sshd listens on that port",
        "check {key}Host and its port, and that sshd runs there",
        transient=True,
    ),
    _Sign(
        r"No route to host|Network is unreachable|Host is down",
        _UNREACHABLE[0],
        "check the route and the firewall between this machine and it",
        transient=True,
    ),
    _Sign(
        r"Connection timed out|Operation timed out|banner exchange",
        _UNREACHABLE[1],
        "check that it is up, and the firewall between this machine and it",
        transient=True,
    ),
    _no_common("key exchange method", "KexAlgorithms"),
    _no_common("host key type", "HostKeyAlgorithms"),
    _no_common("cipher", "Ciphers"),
    _Sign(
        r"Unable to negotiate.*?: (.*)",
        "it and our ssh have no algorithm in common: {0}",
        "one of the two is too old: update openssh-server there, or openssh-client here",
    ),
    _Sign(
        r"Timeout, server .* not responding",
        "the connection was lost: it stopped answering",
        "the next run resumes from the last checkpoint; check the network if this happens again",
        transient=True,
    ),
    _Sign(
        r"Session open refused by peer|session request failed",
        "it refused another session",
        "raise MaxSessions in its sshd_config, or lower Jobs",
        transient=True,
    ),
    _Sign(
        r"No user exists for uid",
        "this machine has no account for the uid that borgpull runs as",
        "add it to /etc/passwd (containers: run as a named user)",
    ),
    _Sign(
        r"kex_exchange_identification|Connection closed by|Connection reset|closed by remote host|send disconnect: ",
        "it closed the connection",
        "check the log of sshd there: MaxStartups, PerSourcePenalties, fail2ban or a full disk can cause this",
        transient=True,
    ),
)


def diagnose(
    party: str, said: str, *, doing: str = "connect", jump: Jump | None = None, through: Jump | None = None
) -> Failure:
    """Return the failure that ssh printed about `party`; `doing` names the attempt when no pattern matches.

    `jump` is the jump host of the party that it is about, `through` the one that refused to lead on. It reads the last
    lines only: a peer can print a megabyte that takes hours to search.
    """
    detail = last_lines(said)
    for sign in _SIGNS:
        if found := re.search(sign.pattern, detail):
            cause = sign.cause.format(*found.groups(), jump=_named(through) if through else "its jump host")
            hint = sign.hint.format(*found.groups(), key=jump.prefix if jump else "")
            return Failure(party, of_jump(jump, cause), hint=hint, detail=detail, transient=sign.transient)
    last = detail.rpartition("\n")[2]
    cause = f"ssh could not {doing}" + (f": {last}" if last else " and did not say why")
    return Failure(party, of_jump(jump, cause), hint="run again with -v to see all output of ssh", detail=detail)


def is_refused(failure: Failure) -> bool:
    """Tell whether the host refused the key."""
    return _REFUSED in failure.cause


def is_unreachable(failure: Failure) -> bool:
    """Tell whether the host itself, not one on the way, gave no answer at all."""
    return failure.cause in _UNREACHABLE


def certificate_refused(failure: Failure) -> Failure:
    """Return the failure of a login with a certificate in its own words, where `diagnose` says that it was refused."""
    if failure.cause.endswith(_REFUSED):
        return Failure(failure.party, f"{failure.cause} and its certificate", hint=_CHECK_CERTIFICATE)
    return failure


def killed(party: str, status: int) -> Failure | None:
    """Return the failure of an ssh to `party` that a signal killed here, by its exit `status` (-N for signal N)."""
    if status >= 0:
        return None
    return Failure(
        CONTROLLER,
        f"our ssh to {the(party)} was killed here (signal {-status})",
        hint="check the kernel log here (dmesg) for out of memory; add memory, or lower Jobs",
        transient=True,
    )


def of_jump(jump: Jump | None, cause: str) -> str:
    """Return a cause at a jump host in the words of the party that it leads to; without one, the cause as it is."""
    return f"{_named(jump)}: {cause}" if jump else cause


def _named(jump: Jump) -> str:
    port = "" if jump.host.port == 22 else f":{jump.host.port}"
    return f"its jump host {jump.host.name}{port}"


def not_begun(party: str) -> Failure:
    """Return the failure of a script that no shell began in time."""
    hint = "log in there and look for what is slow: the host, or a ~/.bashrc that waits, or reads standard input"
    return Failure(party, f"its shell did not begin within {BEGIN_SECONDS:.0f} s", hint=hint)


def no_answer(party: str, seconds: float) -> Failure:
    """Return the failure of a command that did not end in time."""
    return Failure(
        party,
        f"a command there did not end within {seconds:.0f} s",
        hint="log in there and check whether its disk hangs",
        transient=True,
    )


def no_shell(party: str, said: str) -> Failure:
    """Return the failure of a command that no shell ran; `said` is what was printed instead."""
    if "Password change required" in said:
        return diagnose(party, said)
    return Failure(
        party,
        "its account has no shell: a forced command, or a login shell that runs nothing",
        hint="remove `command=` from authorized_keys for this key, and give the account /bin/sh",
        detail=last_lines(said),
    )
