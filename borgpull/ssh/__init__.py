"""The system's ssh, driven through one control master per host: argv, master, forward, session, diagnose.

This room knows hosts, keys and sockets; it knows nothing of borg.
"""

from .ciphers import CHACHA_FIRST, has_aes, preferred_ciphers
from .connect import open_master
from .diagnose import killed
from .frame import PRELUDE, Answer, Incomplete, Part, ScriptFailed, ask, cut_off, read_answer, whole
from .hostkey import HostKey, fingerprints, scan
from .keys import Key, key_problem, known_host_problem, make_key, new_key, public_key
from .master import LOST_SECONDS, SESSIONS, ForwardRefused, Master
from .session import (
    FIND_SSHD,
    SILENCE_SECONDS,
    SSH_FAILED,
    WATCHDOG,
    execute,
    explain_exit,
    no_answer,
    no_shell,
    read_marked,
    session,
)
