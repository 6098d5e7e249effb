"""Shell functions by which a script on another host watches its connection, and ends it after too long a silence."""

from __future__ import annotations

from .prologue import PROLOGUE

# By itself sshd notices a cut link after two hours (TCP keepalive) or never. Our master sends something at least every
# 15 seconds, and each time the sshd of the connection wakes up, which its voluntary context switches show to any user
# (Linux; seen on OpenSSH 9.2: they grow on an idle connection, and stop when its master is stopped).
SILENCE_SECONDS = 60

# Sets `sshd` to the pid of the process that serves this connection, empty when it is unknown.
FIND_SSHD = r"""
sshd=$PPID
until case $(cat "/proc/$sshd/comm" 2>/dev/null) in sshd* | dropbear*) true ;; *) false ;; esac; do
  sshd=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$sshd/status" 2>/dev/null)
  [ "${sshd:-1}" -gt 1 ] || { sshd=; break; }
done
"""

# Defines `lifeline COMMAND...`, to run in the background: while the command succeeds it watches the connection, and
# ends it after too long a silence. A stopped sshd obeys only SIGKILL.
WATCHDOG = rf"""{PROLOGUE}{FIND_SSHD}
lifeline() {{
  [ -n "$sshd" ] || return
  own
  last= still=0
  while sleep 5 && "$@" && kill -0 "$sshd"; do
    now=$(grep '^voluntary' "/proc/$sshd/status") || return
    if [ "$now" = "$last" ]; then still=$((still + 5)); else still=0 last=$now; fi
    [ "$still" -lt {SILENCE_SECONDS} ] || {{ kill "$sshd"; sleep 1; kill -KILL "$sshd"; return; }}
  done
}}
"""
