"""The shell scripts of the lock, and of the processes that work under it on the backup server.

As all scripts of the ledger they need nothing but sh and coreutils, and answer in the frame of `ssh.ask`, so that
nobody has to guess at text of the backup server.
"""

from __future__ import annotations

from ..ssh import BEGAN

# A process is registered as a file KIND.PID that holds when it began, by its kernel's count, for a pid may come round
# again. p: one of the session itself; g: a script, with the process group that it leads; serve: a `borg serve`. Where
# there is no /proc the pid alone has to do. When a line cannot be put into a file, a dash does not say why; cat does.
# A group lives when one of it does: of a dead one that nobody waited for something is left, too.
# first VAR FILE: the first line, empty where it cannot be read. holder: sets `owner` to what the lock says of who holds
# it, empty when nobody does or nothing lives of that session. In this order: meanwhile its folder may be renamed.
LIVES = (
    BEGAN
    + r"""
put() { echo "$1" >"$2" || { echo "$1" | cat >"$2"; return 1; }; }
first() { eval "$1="; { read -r "$1" <"$2"; } 2>/dev/null || :; }
group_lives() {
  kill -0 "-$1" 2>/dev/null || return
  [ -e /proc/self/stat ] || return 0
  for _each in /proc/[0-9]*; do
    began "${_each#/proc/}"
    [ "$group" != "$1" ] || [ -z "$began" ] || return 0
  done
  false
}
lives() {
  _pid=${1##*.}
  # A signal to these would go to everybody.
  case $_pid in "" | *[!0-9]* | 0* | 1) return 1 ;; esac
  first _was "$1"
  if [ -e /proc/self/stat ]; then
    began "$_pid"
    [ -z "$began" ] || { [ "$began" = "$_was" ]; return; }
  else
    ! kill -0 "$_pid" 2>/dev/null || return 0
  fi
  case $1 in */p.*) false ;; *) group_lives "$_pid" ;; esac
}
others() {
  for _file in "$1"/p.* "$1"/g.* "$1"/serve.*; do
    [ "$_file" = "$1/p.$2" ] || ! lives "$_file" || return 0
  done
  false
}
owner() { first owner "$led/lock/owner"; other=$led/${owner%% *}; }
busy() { others "$other" "" || others "$other.gone" ""; }
hit() { kill "-$1" "-$2" 2>/dev/null || kill "-$1" "$2"; }
stopped() { grep -q '^State:[^A-Z]*T' "/proc/$1/status" 2>/dev/null; }
strike() {
  for _file in "$2"/p.* "$2"/g.* "$2"/serve.*; do
    [ "$_file" != "$2/p.$3" ] && lives "$_file" || continue
    case $1,$_file in
      TERM,*/serve.*) ! stopped "$_pid" || kill -CONT "$_pid" ;;
      *,*/p.*) kill "-$1" "$_pid" ;;
      *) hit "$1" "$_pid" ;;
    esac
  done 2>/dev/null
}
"""
)

# The bytes that are kept for the day when the disk is full: a hundred targets take about as many.
RESERVE = 16 * 1024 * 1024
# The reserve is a file $1: make_reserve makes it once there is room for it and more (of what a disk compresses nothing
# would be kept), spend_reserve removes it where the disk is full. Neither does anything where free space is unknown.
RESERVES = rf"""
free_bytes() {{
  free=
  set -- $(stat -f -c '%b %a %S' "$1" 2>/dev/null)
  [ "$#" -ne 3 ] || [ "$1" -eq 0 ] || free=$(($2 * $3))
}}
make_reserve() {{
  [ ! -e "$1" ] || return 0
  free_bytes "${{1%/*}}"
  [ "${{free:-0}}" -lt {4 * RESERVE} ] ||
    {{ head -c {RESERVE} /dev/urandom >"$1.$$" && mv "$1.$$" "$1"; }} || rm -f "$1.$$"
}}
spend_reserve() {{
  [ -e "$1" ] || return 0
  free_bytes "$1"
  [ "${{free:-{RESERVE}}}" -ge {RESERVE} ] || rm -f "$1" 2>/dev/null
}}
"""

# The lasting session. $1 is the mark: `MARK begun` says that a shell runs it, `MARK ready` that it is ready. $2 is the
# folder of the ledger, $3 its name there, $4 the longest silence (seconds), $5 the reserve, a file that goes where the
# disk is full, so that there is room for all this. It reads its input to the byte: a beat, or
# `run BYTES BYTES` and as many bytes of a script and of that script's input. A script runs beside it, in a process
# group of its own, so that beats are heard meanwhile. What is registered in its folder ends with it, a serve by itself
# if it can; once the folder is named $3.gone, nothing is registered any more.
# take BYTES FILE: exactly so many bytes of the input, in whole blocks where dd can: 24 MB one by one take 12 s of CPU.
LASTING = (
    'own\nprintf "\\n%s begun\\n" "$1"\n'
    + LIVES
    + RESERVES
    + r"""
mark=$1 led=$2 token=$3 silence=$4 reserve=$5 main=$$ silent=
umask 077
LC_ALL=C
export LC_ALL
trap '' HUP INT PIPE
session=$led/$token
spend_reserve "$reserve"
began $$
mkdir -p "$led" && mkdir "$session.new" && put "$began" "$session.new/p.$$" && mv "$session.new" "$session" || {
  rm -rf "$session.new"
  echo "no folder for the session" >&2
  exit 1
}
finish() {
  mv "$session" "$session.gone" 2>/dev/null || return 0
  n=${2:-0}
  while others "$session.gone" "$1"; do
    # A serve whose client has gone ends by itself, or else in order: killed, it would leave its lock.
    case $n in 0) signal=TERM ;; 8) signal=15 ;; 15) signal=KILL ;; *) signal= ;; esac
    [ -z "$signal" ] || strike "$signal" "$session.gone" "$1" || :
    n=$((n + 1))
    sleep 1 || :
  done
  owner
  case $owner in "$token "*) rm -rf "$led/lock" ;; esac
  rm -rf "$session.gone"
}
# What runs a script was killed before it could report how that ended: nothing else would.
unreported() {
  [ -e /proc/self/stat ] || return
  first _runner "$session/runner"
  began "${_runner#* }"
  first _reported "$session/reported"
  [ -n "$_runner" ] && [ -z "$began" ] && [ "${_runner% *}" != "$_reported" ]
}
take() {
  blocks=0
  rm -f "$2"
  if [ "$1" -ge 65536 ] && dd iflag=fullblock count=0 </dev/null; then
    blocks=$(($1 / 65536))
    dd bs=65536 count="$blocks" iflag=fullblock of="$2" || return
  fi
  dd ibs=1 obs=65536 count="$(($1 - blocks * 65536))" >>"$2"
} >/dev/null 2>&1
watch() {
  last= still=0
  while [ -z "$silent" ] && sleep 5 && lives "$session/p.$main" && ! unreported; do
    first now "$session/beat"
    if [ "$now" = "$last" ]; then still=$((still + 5)); else still=0 last=$now; fi
    [ "$still" -lt "$silence" ] || silent=yes
  done
  # The client of a serve has not gone then.
  finish "$(exec sh -c 'echo $PPID')" "${silent:+8}"
}
watch >/dev/null 2>&1 </dev/null &
watcher=$!
began "$watcher"
echo "$began" >"$session/p.$watcher"
echo 0 >"$session/reported"
echo "$mark ready"
n=0
while read -r word script input; do
  n=$((n + 1))
  echo "$n" 1<>"$session/beat"
  [ "$word" = run ] || continue
  spend_reserve "$reserve"
  take "$script" "$session/script" && take "$input" "$session/input" &&
    [ "$(wc -c <"$session/script")" -eq "$script" ] && [ "$(wc -c <"$session/input")" -eq "$input" ] || break
  {
    exec 3>&1
    said=$(setsid sh "$session/script" "$session" <"$session/input" 2>&1 >&3 3>&-)
    r=$?
    case $said in *"No space left"*) rm -f "$reserve" 2>/dev/null ;; esac
    echo "$n" 1<>"$session/reported"
    printf 'part errors 0 %s\n%s\nend %s %s\n' "${#said}" "$said" "$r" "$mark"
  } </dev/null &
  echo "$n $!" >"$session/runner"
done
kill "$watcher" 2>/dev/null && wait "$watcher"
finish "$main"
"""
)

# What each script of such a session begins with: it is registered before it does anything.
REGISTER = (
    LIVES
    + r"""
session=$1
began $$
put "$began" "$session/g.$$" || exit 1
"""
)

# One run at a time: takes the lock for the session $2, of which $3 says whose it is and $6 of which run, or says who
# holds it: `at-work` after $4 seconds or more, once the beat of that session has moved, so its controller lives; `held`
# after $5 seconds. A lock is void when nothing lives that its session registered; what an earlier attempt of this very
# run left is ended first. A folder, because every file system can make one atomically.
LOCK = r"""
led=$1 token=$2 who=$3 short=$4 patience=$5 run=$6
n=0 seen= moved=
until mkdir "$led/lock" 2>/dev/null; do
  [ -d "$led/lock" ] || { mkdir "$led/lock" && break; [ -d "$led/lock" ] || exit 1; }
  owner
  first beat "$other/beat"
  case $seen in
    "$owner $beat") ;;
    "$owner "?*) moved=${beat:+at-work} ;;
    *) n=0 moved= ;;
  esac
  seen="$owner $beat" void=
  case $owner in
    "") [ "$n" -lt 10 ] || void=yes ;;
    *" $run,"*)
      signal=TERM
      [ "$n" -lt 5 ] || signal=KILL
      strike "$signal" "$other" "" || :
      strike "$signal" "$other.gone" "" || :
      ;;
  esac
  [ -z "$owner" ] || busy || void=yes
  if [ -n "$void" ] && mv "$led/lock" "$led/lock.$$" 2>/dev/null; then
    first found "$led/lock.$$/owner"
    if [ "$found" = "$owner" ]; then
      [ -z "$owner" ] || rm -rf "$other" "$other.gone"
      rm -rf "$led/lock.$$"
      continue
    fi
    mv -T "$led/lock.$$" "$led/lock"
  fi
  if [ "$n" -ge "$patience" ] || { [ -n "$moved" ] && [ "$n" -ge "$short" ]; }; then
    say "${moved:-held}" "${owner#* }"
    exit 0
  fi
  n=$((n + 1))
  on
  sleep 1
done
# Whoever writes first has it: a run that was stopped here for long may find another one.
if ! (set -C; put "$token $who" "$led/lock/owner"); then
  [ -s "$led/lock/owner" ] || rm -rf "$led/lock"
  exit 1
fi
for old in "$led"/session.*; do
  case $old in *.new | "$session") continue ;; esac
  [ ! -d "$old" ] || others "$old" "" || rm -rf "$old"
done
say taken
"""

# Prints the state of the target's `borg serve` as the kernel names it: T is stopped, D waits for a disk.
SERVE_STATE = r"""
state() {
  for _file in "$session"/serve.*; do
    ! lives "$_file" || sed -n 's/^State:[^A-Z]*\([A-Z]\).*/\1/p' "/proc/$_pid/status"
  done
}
part state state
"""

# Waits for the `borg serve` of this run, $1 seconds; one that has not ended by then, or that somebody stopped, is
# killed: it may write no more, and what it did not commit is dropped by the next borg.
AWAIT_SERVE = r"""
await_serve() {
  n=0
  for serve in "$session"/serve.*; do
    while lives "$serve"; do
      [ "$n" -lt "$(($1 + 5))" ] || { say serving "$_pid"; return 1; }
      if [ "$n" -ge "$1" ] || stopped "$_pid"; then
        hit KILL "$_pid"
      fi
      n=$((n + 1))
      on
      sleep 1
    done
  done
}
"""
