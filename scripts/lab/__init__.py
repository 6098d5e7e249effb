"""A throw-away backup server and targets on this machine: real sshd, new keys, all below one directory.

For `make demo` and the tests. It never touches the user's keys, known hosts and Borg folders, nor the
machine's own sshd; when it ends, its processes and its directory are gone.
"""

from __future__ import annotations

from .lab import Lab, Target, lab_running, missing_tools
from .sshd import Host, Spot
