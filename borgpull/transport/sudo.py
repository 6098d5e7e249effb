r"""Borg as root on T, through sudo, for a user who may start borg so. No rule of sudo's is loosened for it.

The line in sudoers names borg and nothing else. sudo keeps back the environment (`env_reset`) and closes all
descriptors but the first three (`closefrom`): what borg has to know goes into its arguments, and the passphrase to
where it asks for it: Python's getpass reads standard input when there is no terminal, borg 1.2.4 and 1.4.5 alike.
A borg of root's cannot be signalled by the user. sudo 1.9.13p3 passes SIGINT on to it, but nobody's SIGKILL; so the
command that borg starts to reach its repository, which is root's too, signals it.

Who may start borg as root can have it start anything as root, by that very option: such a user is root in effect.
"""

from __future__ import annotations

import re

from ..errors import Failure
from ..untrusted import clean

_SUDO = "sudo"
_FILE = "/etc/sudoers.d/borgpull"
_WITHOUT_TERMINAL = "must have a tty"
_NOT_THERE = "it is not installed"

# Defines `hidden PATH`: whether a path that is not to be seen may be there all the same, in a folder that this user may
# not enter. Has no single quote in it.
HIDDEN = r"""
hidden() {
  at=$1
  until [ -e "$at" ] || [ -L "$at" ]; do
    case $at in */*) at=${at%/*} at=${at:-/} ;; *) at=. ;; esac
  done
  [ ! -e "$at" ] || { [ -d "$at" ] && [ ! -x "$at" ]; }
}
"""

# $sudo is empty where borg runs as the user itself. Defines
#   there PATH      whether borg may find it;
#   readable FILE   whether borg may read it;
#   ask_sudo        whether sudo lets borg be run; sets $borg to its whole path, as sudoers knows it, and $said to
#                   borg's version, or to what was said in its place.
LOOK = (
    HIDDEN
    + rf"""
there() {{
  [ -e "$1" ] || [ -L "$1" ] || {{ [ -n "$sudo" ] && hidden "$1"; }}
}}
readable() {{
  if [ -n "$sudo" ]; then there "$1"; else [ -f "$1" ] && [ -r "$1" ]; fi
}}
ask_sudo() {{
  said='{_NOT_THERE}'
  borg=$(command -v "$borg") && command -v "$sudo" >/dev/null || return
  said=$("$sudo" -n -H -- "$borg" --version 2>&1)
  set -- $?
  said=$(printf '%s\n' "$said" | tail -n 1)
  return $1
}}
"""
)

# Defines `lead_by_sudo`, which sets $rsh to what leads a borg of root's the $way to the repository, and is its lifeline
# too: descriptor 5 is held by this session alone. Once that is gone, however it went, the borg is interrupted, and
# killed when it does not end: the one whose arguments have the name of this session's folder in them. Who closes it
# removes `life` first: a borg that comes too late would wait for somebody to write. Borg splits the text at spaces and
# takes single quotes away, and starts it with SIGINT ignored.
LEAD = r"""
lead_by_sudo() {
  mkfifo "$dir/life" && exec 5<>"$dir/life" || exit 91
  rsh="p=\$PPID
    runs() { grep -qsF $dir /proc/\$p/cmdline; }
    {
      cat $dir/life
      runs && kill -INT \$p
      n=0
      while [ \$n -lt 25 ] && runs; do sleep 1; n=\$((n + 1)); done
      runs && kill -KILL \$p
    } </dev/null >/dev/null 2>&1 &
    $way"
  rsh="sh -c '$rsh'"
}
"""


def program(login: str) -> str:
    """Return what runs borg as root for `login`, as the scripts take it: empty without one."""
    return _SUDO if login else ""


def refusal(party: str, login: str, borg: str, said: str) -> Failure:
    """Say that sudo does not let `login` run `borg`, the BorgPath of the target.

    `said` is where borg is on T, a space, and what sudo said last.
    """
    found, _, why = said.partition(" ")
    line = f"Defaults:{login} !requiretty" if _WITHOUT_TERMINAL in why else sudoers_line(login, borg, found)
    first = "apt install sudo, and then " if why == _NOT_THERE else ""
    return Failure(
        party,
        f"sudo does not let {login} run borg as root there: {clean(why) or 'it does not say why'}",
        hint=f"{first}put this line into {_FILE} there, with `visudo -f {_FILE}`: {line}",
    )


def sudoers_line(login: str, borg: str, found: str) -> str:
    """Return the one line that sudo needs; `found` is where T says that its borg is, which is not taken unseen.

    NOLOG_INPUT keeps the passphrase out of the files that `Defaults log_input` writes.
    """
    name = re.escape(borg)
    if not borg.startswith("/"):
        borg = found if re.fullmatch(rf"(?:/[A-Za-z0-9._+-]{{1,60}}){{0,8}}/{name}", found) else f"/usr/bin/{borg}"
    path = re.sub(r"([^A-Za-z0-9/._+-])", r"\\\1", borg)
    return f"{login} ALL=(root) NOPASSWD: NOLOG_INPUT: {path}"
