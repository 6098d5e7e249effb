r"""Borg's own locks, in a repository and in a cache: under which name our borgs take them, and who holds them.

Borg breaks a lock of its own host id (the host's name and MAC, or BORG_HOST_ID) whose pid is dead, and waits for any
other (1.2.4, 1.4.5: platform/base.py, locking.py). So the lock of a killed borg stays when its host was renamed, when
its container was replaced, or when its pid came round again. Our borgs have an id of their own each, of process group,
pid and start time: nobody shares it, so no borg breaks its lock, and whether somebody holds that can be told here.
"""

from __future__ import annotations

# The kinds of the messages of `own_locks`.
FREED, LOCKED = "Freed", "Locked"

# Needs `own` and `began`. `own_locks FOLDER...` sets BORG_HOST_ID for the borg that this shell starts or becomes, and
# removes from these folders the locks of those borgs of ours that are gone: neither what started them lives, nor the
# locking process in that group. It prints what it removed, and who holds what is left, as borg prints messages. Where
# another borg's lock lies, the host's own id stays: by it borg breaks what is its own. Without /proc it does nothing.
# holders: who holds the locks in the folder $1, as HOST.PID-THREAD. An exclusive entry of the roster locks nothing by
# itself. A file is removed by its name: meanwhile another borg may have taken the lock.
OWN_LOCKS = r"""
holders() {
  own
  ls "$1/lock.exclusive"
  sed 's/"exclusive": \[\(\(, \)*\[[^]]*\]\)*\]//' "$1/lock.roster" | tr '[' '\n' |
    sed -n 's/^"\(.*\)", \([0-9]*\), .*/\1.\2-0/p'
}
is_gone() {
  case ${1#borgpull.} in "$1" | *[!0-9.-]*) return 1 ;; esac
  IFS=.-
  set -- ${1#borgpull.}
  unset IFS
  began "$2"
  [ "$began" != "$3" ] || return 1
  [ "$2" != "$4" ] || return 0
  began "$4"
  [ -z "$began" ] || [ "$group" != "$1" ]
}
note() {
  set -- "$1" "$(printf %s "$2" | tr -d '"\\[:cntrl:]')"
  printf '{"type":"log_message","levelname":"INFO","msgid":"borgpull.%s","message":"%s"}\n' "$@" >&2
}
own_locks() {
  began $$
  [ -n "$began" ] || return 0
  _own=borgpull.$group.$$.$began
  set -f
  for _folder do
    [ -e "$_folder/lock.exclusive" ] || [ -e "$_folder/lock.roster" ] || continue
    _gone= _left=
    for _held in $(holders "$_folder" 2>/dev/null); do
      _host=${_held%.*} _pid=${_held##*.}
      if is_gone "$_held"; then
        _gone=yes
        rm -f "$_folder/lock.exclusive/$_held"
        note Freed "removed the lock of a borg of borgpull that is gone (pid ${_pid%-*})"
        continue
      fi
      _left=yes
      case $_host in borgpull.*) _host="a command of borgpull" ;; *) _own= ;; esac
      _since=$(date -u -r "$_folder/lock.exclusive/$_held" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null) ||
        _since=$(date -u -r "$_folder/lock.roster" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
      note Locked "$_host, pid ${_pid%-*}${_since:+, since $_since}"
    done
    [ -z "$_gone" ] || rmdir "$_folder/lock.exclusive" 2>/dev/null
    [ -z "$_gone" ] || [ -n "$_left" ] || rm -f "$_folder/lock.roster"
  done
  set +f
  [ -z "$_own" ] || export BORG_HOST_ID="$_own"
}
"""
