r"""Borg as root on the target, through sudo, for a user whom sudo allows that. No default of sudo is changed for it.

The line in sudoers names borg alone. sudo drops the environment (`env_reset`) and closes all descriptors but the first
three (`closefrom`): settings go into borg's arguments, and the passphrase to its standard input, which Python's getpass
reads where there is no terminal (borg 1.2.4 and 1.4.5).
The user cannot signal root's borg. sudo 1.9.13p3 passes on SIGINT, but no SIGKILL; so the command that borg starts to
reach its repository, which runs as root too, signals it.

A user who may start borg as root can have it start anything as root by that very option, and so is root in effect.
"""

from __future__ import annotations

import re

from ..borg.failure import not_unpacked
from ..errors import Failure
from ..untrusted import clean

_SUDO = "sudo"
_FILE = "/etc/sudoers.d/borgpull"
_WITHOUT_TERMINAL = "must have a tty"
_NOT_THERE = "it is not installed"

# Defines `hidden PATH`: whether a path that cannot be seen may exist all the same, in a folder that this user may not
# enter. Has no single quote in it.
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
#   ask_sudo        whether sudo runs borg; sets $borg to its whole path, as sudoers has it, and $said to borg's
#                   version, or to the error.
CHECKS = (
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
  said=$(printf '%s\n' "$said" | grep -v '^sudo: unable to resolve host' | tail -n 1)
  return $1
}}
"""
)

# Defines `set_rsh`, which sets $rsh to the command by which root's borg reaches its repository, with $connect. That is
# its watchdog too: only this session holds descriptor 5. When the session ends, for whatever reason, the command
# interrupts its borg, and kills it when it does not end: the one whose arguments have the name of the session's folder.
# What closes descriptor 5 removes `life` first: a borg that starts too late would wait for a writer. Borg splits the
# text at spaces, removes single quotes, and starts it with SIGINT ignored.
SET_RSH = r"""
set_rsh() {
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
    $connect"
  rsh="sh -c '$rsh'"
}
"""


def program(login: str) -> str:
    """Return the program that runs borg as root for `login`; "" without one."""
    return _SUDO if login else ""


def refusal(party: str, login: str, borg: str, said: str) -> Failure:
    """Return that sudo does not let `login` run `borg`, the BorgPath of the target.

    `said` is the path of borg on the target, a space, and the last line of sudo.
    """
    found, _, why = said.partition(" ")
    if failure := not_unpacked(party, why):
        return failure
    line = (
        f"Defaults:{_in_sudoers(login)} !requiretty" if _WITHOUT_TERMINAL in why else sudoers_line(login, borg, found)
    )
    first = "apt install sudo, and then " if why == _NOT_THERE else ""
    cause = f"sudo does not let {login} run borg as root there: {clean(why) or 'it does not say why'}"
    return Failure(party, cause, hint=f"{first}put this line into {_FILE} there, with `visudo -f {_FILE}`: {line}")


def sudoers_line(login: str, borg: str, found: str) -> str:
    """Return the one line that sudo needs; `found` is where the target says that its borg is, used only if plain.

    NOLOG_INPUT keeps the passphrase out of the files that `Defaults log_input` writes.
    """
    name = re.escape(borg)
    if not borg.startswith("/"):
        borg = found if re.fullmatch(rf"(?:/[A-Za-z0-9._+-]{{1,60}}){{0,8}}/{name}", found) else f"/usr/bin/{borg}"
    path = re.sub(r"([^A-Za-z0-9/._+-])", r"\\\1", borg)
    return f"{_in_sudoers(login)} ALL=(root) NOPASSWD: NOLOG_INPUT: {path}"


def _in_sudoers(login: str) -> str:
    """Return a user name as sudoers has it: in quotes where it could be an alias (sudo 1.9.13p3)."""
    return f'"{login}"' if re.fullmatch(r"[A-Z][A-Z0-9_]*", login) else re.sub(r"([^\w.-])", r"\\\1", login)
