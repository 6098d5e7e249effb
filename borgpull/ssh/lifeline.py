r"""Shell fragments that find the sshd of a session, and end a connection on which nothing arrives any more.

sshd of its own accord notices a cut link after two hours (TCP keepalive) or never. Our master says something at least
every 15 seconds, and each time the sshd of the connection wakes up, which its voluntary context switches show to any
user (Linux; seen on OpenSSH 9.2: an idle connection counts on, one whose master is stopped stands still).
"""

from __future__ import annotations

SILENCE_SECONDS = 60

# Sets `sshd` to the pid of the process that serves this connection, empty where none can be told.
FIND_SSHD = r"""
sshd=$PPID
until case $(cat "/proc/$sshd/comm" 2>/dev/null) in sshd* | dropbear*) true ;; *) false ;; esac; do
  sshd=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$sshd/status" 2>/dev/null)
  [ "${sshd:-1}" -gt 1 ] || { sshd=; break; }
done
"""

# Defines `lifeline COMMAND...`, to be left running in the background: for as long as the command is true it watches the
# connection, and ends it when it has been silent for too long: an sshd that is stopped only obeys SIGKILL.
LIFELINE = (
    FIND_SSHD
    + rf"""
lifeline() {{
  [ -n "$sshd" ] || return
  last= still=0
  while sleep 5 && "$@" && kill -0 "$sshd"; do
    now=$(grep '^voluntary' "/proc/$sshd/status") || return
    if [ "$now" = "$last" ]; then still=$((still + 5)); else still=0 last=$now; fi
    [ "$still" -lt {SILENCE_SECONDS} ] || {{ kill "$sshd"; sleep 1; kill -KILL "$sshd"; return; }}
  done
}}
"""
)
