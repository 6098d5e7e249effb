"""Starts a container and waits for it, as containerd's shim does: `shim.py RUNC-STATE BUNDLE NAME`.

The container gets this process's own stdin, stdout and stderr, where `runc run` by itself would put pipes in between.
"""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def main(state: str, bundle: str, name: str) -> int:
    """Run it; return its exit status as a shell gives it. SIGINT and SIGTERM go to its process 1."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid_file = Path(bundle, "pid")
    started = ["runc", "--root", state, "run", "--detach", "--bundle", bundle, "--pid-file", str(pid_file), name]
    if subprocess.run(started, check=False).returncode != 0:
        return 125
    pid = int(pid_file.read_text())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    _, status = os.waitpid(pid, 0)
    subprocess.run(["runc", "--root", state, "delete", "--force", name], check=False)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
