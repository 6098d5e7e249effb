"""The system's ssh, through one control master per host. It knows hosts, keys and sockets, and nothing of borg."""

from .ahead import Ahead
from .argv import CHACHA_FIRST, has_aes, preferred_ciphers
from .connect import JumpHosts, open_master
from .diagnose import BEGIN_SECONDS, is_refused, is_unreachable, no_answer, no_shell, not_begun
from .framing import PRELUDE, Answer, Ask, Incomplete, Part, ScriptFailed, ask, cut_off, read_answer, whole
from .keys import Key, fingerprints, key_problem, known_host_problem, make_key, new_key, public_key, scan
from .master import LOST_SECONDS, SESSIONS, ForwardRefused, Master
from .session import SSH_FAILED, execute, explain_exit, exports, read_marked, script_session, session
from .stored import TEMPORARY, Script, stored
from .watchdog import BEAT_SECONDS, BEGAN, SILENCE_SECONDS, WATCHDOG, StoodStill, beating
