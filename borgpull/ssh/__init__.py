"""The system's ssh, driven through one control master per host: argv, master, forward, session, diagnose.

This room knows hosts, keys and sockets; it knows nothing of borg.
"""

from .ciphers import CHACHA_FIRST, has_aes, preferred_ciphers
from .connect import open_master
from .diagnose import killed
from .frame import PRELUDE, Answer, Incomplete, Part, ScriptFailed, ask, cut_off, read_answer, whole
from .hostkey import HostKey, scan
from .keys import Key, key_problem, known_host_problem, make_key, new_key, public_key
from .master import LOST_SECONDS, SESSIONS, ForwardRefused, Master
from .session import FIND_SSHD, LIFELINE, SILENCE_SECONDS, SSH_FAILED, execute, no_answer, no_shell, refused, session

__all__ = [
    "CHACHA_FIRST",
    "FIND_SSHD",
    "LIFELINE",
    "LOST_SECONDS",
    "PRELUDE",
    "SESSIONS",
    "SILENCE_SECONDS",
    "SSH_FAILED",
    "Answer",
    "ForwardRefused",
    "HostKey",
    "Incomplete",
    "Key",
    "Master",
    "Part",
    "ScriptFailed",
    "ask",
    "cut_off",
    "execute",
    "has_aes",
    "key_problem",
    "killed",
    "known_host_problem",
    "make_key",
    "new_key",
    "no_answer",
    "no_shell",
    "open_master",
    "preferred_ciphers",
    "public_key",
    "read_answer",
    "refused",
    "scan",
    "session",
    "whole",
]
