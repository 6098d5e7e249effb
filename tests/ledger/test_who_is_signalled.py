"""Whatever the names in a session's folder say, the scripts of the lock signal neither process 1, nor everybody.

Each test is played in a pid namespace of its own: `kill -KILL -1` there would end that alone. Needs root.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from borgpull.ledger import scripts_lock as scripts

ALONE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
# Process 1 takes note of signals; a stranger, and the parent of what strikes, have to live on. Each PID.x is when that
# began, so that every name can be forged as well as it can be.
SCENE = r"""
folder=$1 names=$2 shell=$3
of() { sed "s/.*) //" "/proc/$1/stat" 2>/dev/null | cut -d " " -f "$2"; }
trap 'echo "process 1 was signalled"' TERM HUP INT USR1
setsid sleep 1000 &
stranger=$!
setsid sleep 1000 &
worker=$!
export folder names worker
for pid in $stranger $worker; do until [ "$(of $pid 3)" = $pid ]; do sleep 0.02; done; done
setsid sh -c '
  began() { set -- $(sed "s/.*) //" "/proc/$1/stat" 2>/dev/null); echo "${20}"; }
  for name in $names; do
    case $name in *worker) name=${name%worker}$worker ;; esac
    pid=${name#*.}
    began "${pid#-}" >"$folder/$name"
  done
  $0 "$folder/script" "$folder"
  echo "the parent lives"
' "$shell" &
wait $!
alive() { case $(of "$1" 1) in "" | Z | X) false ;; esac; }
n=0
case $names in *worker) while alive "$worker" && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.02; done ;; esac
! alive "$stranger" || echo "the stranger lives"
! alive "$worker" || echo "the worker lives"
kill -KILL "$stranger" "$worker" 2>/dev/null
:
"""
STRIKE = f'{scripts.LIVES}\nstrike %s "$1" ""\necho "the shell lives"\n'
OTHERS = f'{scripts.LIVES}\nif others "$1" ""; then echo "somebody is at work"; else echo "nobody is at work"; fi\n'
SHELLS = ("dash", "bash", "busybox sh")
FORGED = [
    "serve.1",
    "serve.0",
    "serve.-1",
    "serve.",
    "p.1",
    "p.0",
    "p.-1",
    "g.1",
    "g.0",
    "g.-1",
    "g.",
    "g.-0",
    "g.00",
    "g.01",
]
ALL_LIVE = {"the parent lives", "the stranger lives", "the worker lives"}


def played(tmp_path: Path, shell: str, text: str, *names: str) -> set[str]:
    """Play the scene with a script by this shell; return what was said, a line each."""
    if os.getuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("CI must run as root, to make namespaces")
        pytest.skip("needs root, to make namespaces")
    assert shutil.which(shell.partition(" ")[0])
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / "script").write_text(text)
    argv = [*ALONE, "sh", "-c", SCENE, "sh", str(folder), " ".join(names), shell]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, start_new_session=True)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return set(done.stdout.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", FORGED)
def test_process_1_and_all_at_once_are_never_killed(tmp_path, shell, name):
    assert played(tmp_path, shell, STRIKE % "KILL", name) == {*ALL_LIVE, "the shell lives"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("signal", ["TERM", "15"])
def test_process_1_and_all_at_once_are_never_signalled(tmp_path, shell, signal):
    assert played(tmp_path, shell, STRIKE % signal, *FORGED) == {*ALL_LIVE, "the shell lives"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", FORGED)
def test_what_is_nobody_is_not_at_work(tmp_path, shell, name):
    assert played(tmp_path, shell, OTHERS, name) == {*ALL_LIVE, "nobody is at work"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["p.worker", "g.worker", "serve.worker"])
def test_who_is_at_work_is_ended_and_nobody_else(tmp_path, shell, name):
    assert played(tmp_path, shell, STRIKE % "KILL", name) == {*ALL_LIVE - {"the worker lives"}, "the shell lives"}
