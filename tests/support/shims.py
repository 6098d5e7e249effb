"""Programs of B that fail once: a folder of shims for the PATH, each of which is the real program but for one call."""

import contextlib
import os
import shutil
import time
from collections import Counter
from pathlib import Path

# What the scripts on B call. `kill`, `read`, `printf`, `echo` and the tests are the shell's own.
PROGRAMS = tuple(
    "cat cp dd du expr find grep head ln ls mkdir mv rm rmdir sed setsid sh sleep stat sync wc date".split()  # noqa: SIM905
)
# A BORG_LOGGING_CONF that hides all that borg says.
SILENT = """\
[loggers]
keys=root
[handlers]
keys=null
[formatters]
keys=
[logger_root]
level=CRITICAL
handlers=null
[handler_null]
class=FileHandler
args=('/dev/null',)
"""
MISSING, KILLED, HALF, SHELL, FORK, HANG = "missing", "killed", "half", "shell", "fork", "hang"
# What a call may fail in. Half: it does its work, and half of what it prints arrives. Shell: the shell that called it
# is killed. Fork: it does its work, and every shell of the session that has to begin a process from then on is refused.
# Hang, which takes a time limit, is none of them.
KINDS = (MISSING, KILLED, HALF, SHELL, FORK)
_CGROUPS = Path("/sys/fs/cgroup/pids")
_SHIM = r"""#!/bin/sh
at={at} name={name} real={real}
echo "$name" >>"$at/called"
[ -e "$at/armed" ] || exec "$real" "$@"
read -r which call kind <"$at/armed"
[ "$which" = "$name" ] || exec "$real" "$@"
seen=0
[ ! -e "$at/seen" ] || read -r seen <"$at/seen"
seen=$((seen + 1))
echo "$seen" >"$at/seen"
[ "$seen" -eq "$call" ] || exec "$real" "$@"
: >"$at/struck"
above() {{
  read -r stat <"/proc/$1/stat"
  comm=${{stat#*(}} comm=${{comm%)*}}
  set -- ${{stat##*) }}
  parent=$2
}}
case $kind in
  missing) echo "sh: 1: $name: not found" >&2; exit 127 ;;
  killed) kill -KILL $$ ;;
  half)
    "$real" "$@" >"$at/said" 2>/dev/null
    {head} -c "$(($({wc} -c <"$at/said") / 2))" "$at/said"
    echo "$name: Input/output error" >&2
    exit 1
    ;;
  hang) exec {sleep} 1000 ;;
  shell) above "$PPID"; [ "$comm" != sh ] || kill -KILL "$PPID"; kill -KILL $$ ;;
  fork)
    pid=$PPID
    while above "$pid" && [ "$comm" = sh ]; do echo "$pid" >"{cgroup}/cgroup.procs"; pid=$parent; done
    exec "$real" "$@"
    ;;
esac
"""


def can_refuse_forks() -> bool:
    return os.access(_CGROUPS / "cgroup.procs", os.W_OK)


class Shims:
    """The shims in the new folder `at`; `bin` is to be first on a PATH. `close` when nothing of them runs any more."""

    def __init__(self, at: Path) -> None:
        self.at, self.bin = at, at / "bin"
        self._cgroup = _CGROUPS / f"bptest-{os.getpid()}-{time.monotonic_ns()}"
        if can_refuse_forks():
            self._cgroup.mkdir()
        self.bin.mkdir(parents=True)
        real = {name: found for name in PROGRAMS if (found := shutil.which(name))}
        for name, program in real.items():
            own = {each: real[each] for each in ("head", "sleep", "wc")}
            text = _SHIM.format(at=at, name=name, real=program, cgroup=self._cgroup, **own)
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    @property
    def path(self) -> str:
        return f"{self.bin}:{os.environ['PATH']}"

    def arm(self, program: str, call: int, kind: str) -> None:
        """Have the `call`th call of a program from now on fail."""
        self.disarm()
        if kind == FORK:
            (self._cgroup / "pids.max").write_text("1")
        (self.at / "armed").write_text(f"{program} {call} {kind}\n")

    def disarm(self) -> bool:
        """Let all that comes be well; return whether the armed call came."""
        struck = (self.at / "struck").exists()
        for name in ("armed", "seen", "struck", "called", "said"):
            (self.at / name).unlink(missing_ok=True)
        if self._cgroup.exists():
            (self._cgroup / "pids.max").write_text("max")
        return struck

    def called(self) -> Counter[str]:
        """Return how often each program was called since they were armed or disarmed last."""
        place = self.at / "called"
        return Counter(place.read_text().split() if place.exists() else ())

    def close(self) -> None:
        """Take down what lies outside of their folder."""
        if self._cgroup.exists():
            (self._cgroup / "pids.max").write_text("max")
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    self._cgroup.rmdir()
                    return
                time.sleep(0.05)
