"""What ssh prints when it fails, as seen on OpenSSH 8.4 to 10.5, and what the operator is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.ssh.diagnose import diagnose
from borgpull.untrusted import clean

CLOSED = "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 192.0.2.1 port 22\r"
SEEN = {
    "unknown host": (
        "No ED25519 host key is known for [h]:2222 and you have requested strict checking.\r\n"
        "Host key verification failed.\r",
        "host key is not in KnownHost",
        False,
    ),
    "changed": (
        "@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
        "Host key for [h]:2222 has changed and you have requested strict checking.\r\nHost key verification failed.\r",
        "not the one in KnownHost",
        False,
    ),
    "revoked": (
        "@       WARNING: REVOKED HOST KEY DETECTED!               @\r\n"
        "ED25519 host key for h was revoked and you have requested strict checking.\r\nHost key verification failed.\r",
        "marked as revoked",
        False,
    ),
    "refused key": ("backup@h: Permission denied (publickey).\r", "refused the key", False),
    "refused key, others allowed": ("backup@h: Permission denied (publickey,password).", "refused the key", False),
    "no key taken": ("backup@h: Permission denied (password).\r", "takes no keys for this user", False),
    "account expired": (
        "Your account has expired; please contact your system administrator.\r\nConnection closed by ::1 port 22\r",
        "account there has expired",
        False,
    ),
    "booting": (
        "System is booting up. Unprivileged users are not permitted to log in yet. Please come back later. For "
        "technical details, see pam_nologin(8).\r\nConnection closed by 192.0.2.1 port 22\r",
        "starting up or shutting down",
        True,
    ),
    "too many keys": (
        "Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures",
        "refused the key",
        False,
    ),
    "bad key file": (
        'Load key "/run/x/key": error in libcrypto\r\nbackup@h: Permission denied (publickey).\r',
        "refused the key",
        False,
    ),
    "refused": ("ssh: connect to host h port 22: Connection refused\r", "connection was refused", True),
    "tcp timeout": ("ssh: connect to host h port 22: Connection timed out\r", "did not answer in time", True),
    "no banner": (
        "Connection timed out during banner exchange\r\nConnection to 192.0.2.1 port 22 timed out\r",
        "did not answer in time",
        True,
    ),
    "no route": ("ssh: connect to host h port 22: No route to host\r", "cannot be reached", True),
    "no network": ("ssh: connect to host h port 22: Network is unreachable\r", "cannot be reached", True),
    "dns": ("ssh: Could not resolve hostname h: Name or service not known\r", "name cannot be resolved", False),
    "dns down": (
        "ssh: Could not resolve hostname h: Temporary failure in name resolution",
        "name cannot be resolved",
        True,
    ),
    "closed": (CLOSED, "closed the connection", True),
    "reset": (
        "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 192.0.2.1 port 22\r",
        "closed the connection",
        True,
    ),
    "no common kex": (
        "Unable to negotiate with 192.0.2.1 port 22: no matching key exchange method found. Their offer: old\r",
        "no algorithm in common: no matching key exchange method found. Their offer: old",
        False,
    ),
    "no common MAC": (
        "Unable to negotiate with UNKNOWN port 65535: no matching MAC found. Their offer: hmac-md5,hmac-sha1\r\n",
        "no algorithm in common: no matching MAC found. Their offer: hmac-md5,hmac-sha1",
        False,
    ),
    "keepalive": ("Timeout, server h not responding.\r", "stopped answering", True),
    "sshd killed": ("Connection to h closed by remote host.\r", "closed the connection", True),
    "session refused": (
        "mux_client_request_session: session request failed: Session open refused by peer\r\n"
        "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r",
        "refused another session",
        True,
    ),
    "no passwd entry": ("No user exists for uid 12345\r", "no account for the uid", False),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_failure_of_ssh_is_explained(name):
    said, cause, transient = SEEN[name]
    failure = diagnose("T web", said)
    assert failure.party == "T web"
    assert cause in failure.cause
    assert failure.hint != ""
    assert failure.transient is transient
    assert failure.detail.split("\n") == said.splitlines()


@pytest.mark.parametrize("name", SEEN)
def test_a_banner_before_it_changes_nothing(name):
    said, cause, _ = SEEN[name]
    assert cause in diagnose("B", f"Authorized users only.\r\nAll is logged.\r\n{said}").cause


def test_what_is_not_known_is_quoted():
    failure = diagnose("B", "command-line: line 0: Bad configuration option: x\r\n", doing="connect")
    assert failure.cause == "ssh could not connect: command-line: line 0: Bad configuration option: x"
    assert "-v" in failure.hint
    assert diagnose("B", "", doing="connect").cause == "ssh could not connect and did not say why"


@given(st.text(max_size=3000))
def test_any_text_becomes_a_short_cause(said):
    failure = diagnose("T x", said)
    assert 0 < len(failure.cause) < 700
    assert clean(failure.cause, longest=700) == failure.cause
