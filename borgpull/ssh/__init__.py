"""The system's ssh, driven through one control master per host: argv, master, forward, session, diagnose.

This room knows hosts, keys and sockets; it knows nothing of borg.
"""

from .ciphers import CHACHA_FIRST, has_aes, preferred_ciphers
from .connect import open_master
from .diagnose import killed
from .hostkey import HostKey, scan
from .keys import Key, key_problem, known_host_problem, make_key, new_key, public_key
from .master import SESSIONS, ForwardRefused, Master
from .session import FIND_SSHD, LIFELINE, SSH_FAILED, execute, no_shell, session

__all__ = [
    "CHACHA_FIRST",
    "FIND_SSHD",
    "LIFELINE",
    "SESSIONS",
    "SSH_FAILED",
    "ForwardRefused",
    "HostKey",
    "Key",
    "Master",
    "execute",
    "has_aes",
    "key_problem",
    "killed",
    "known_host_problem",
    "make_key",
    "new_key",
    "no_shell",
    "open_master",
    "preferred_ciphers",
    "public_key",
    "scan",
    "session",
]
