"""The first lines of each shell script on another host: they make the shell and its environment ours."""

from __future__ import annotations

# An sshd, PAM or a wrapper may hand on what changes the meaning of a script. A bash takes its options from SHELLOPTS
# and BASHOPTS, and ends each `read` after TMOUT seconds. With allexport a secret would get into the environment, with
# xtrace into the output. Defines `own`, which removes what other programs would obey: an operator's own command keeps
# that. Of POSIXLY_CORRECT a bash that runs as sh needs its own.
PROLOGUE = r"""
{ set +aefmuvxC; } 2>/dev/null
[ -z "$BASH_VERSION" ] || { set +kT +o pipefail; shopt -u failglob nocaseglob nocasematch nullglob; }
unset TMOUT IFS
own() {
  unset CDPATH ENV BASH_ENV GREP_OPTIONS TAR_OPTIONS QUOTING_STYLE
  [ -z "$BASH_VERSION" ] || { export -n SHELLOPTS BASHOPTS POSIXLY_CORRECT; return; }
  unset SHELLOPTS BASHOPTS POSIXLY_CORRECT
}
"""
