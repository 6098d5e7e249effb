"""The shell script that runs on T: it looks around, waits for the passphrase, runs one borg, and cleans up after it.

It asks for nothing but sh, coreutils and socat, and goes with its session, however that ends.
"""

from __future__ import annotations

from .. import ssh
from . import sudo

# Where a session on T has its folder: $base. Nothing is removed there but what a session of ours made.
BASE = r"""
base=${TMPDIR:-/tmp}
case $base in *[!A-Za-z0-9._/-]*) base=/tmp ;; esac
[ "${#base}" -le 70 ] || base=/tmp
clear_away() {
  read -r socat 2>/dev/null <"$1/socat" && { [ ! -e "/proc/$socat" ] || grep -q "$1" "/proc/$socat/cmdline"; } &&
    kill "$socat" 2>/dev/null
  rm -f "$1/borg" "$1/pid" "$1/socat" "$1/life" "$1/command"
  rmdir "$1"
}
"""

# Makes $dir below $base, which goes with the session however it ends; standard input is descriptor 3. Nothing is
# written to, nor removed from, a folder that has not the name that was asked for.
FOLDER = r"""
dir=$(mktemp -d "$base/borgpull.XXXXXXXXXX" 2>/dev/null ||
  mktemp -d /tmp/borgpull.XXXXXXXXXX) || { echo "$mark lacks directory"; exit 91; }
case $dir in "$base"/borgpull.?????????? | /tmp/borgpull.??????????) ;; *) echo "$mark place $dir"; exit 91 ;; esac
trap 'kill $life 2>/dev/null; clear_away "$dir"' EXIT
trap 'exit 143' HUP INT TERM PIPE
echo $$ >"$dir/pid"
{ lifeline true; } >/dev/null 2>&1 3<&- &
life=$!
"""

# Defines `source_path NUMBER PATH`: tells what a source path is (folder, file, link, other, or unknown where this user
# cannot see it), whether anything is in it, whether it is a mount point, and where a link leads to; - is not known.
SOURCE_PATH = r"""
source_path() {
  path=${2%/} is=unknown holds=- mount=-
  path=${path:-/}
  if [ -L "$path" ]; then is=link
  elif [ -d "$path" ]; then is=folder
  elif [ -f "$path" ]; then is=file
  elif [ -e "$path" ]; then is=other
  fi
  case $is in
    folder) ! list=$(ls -A -- "$path" 2>/dev/null) || holds=${list:+1} holds=${holds:-0} list= ;;
    file) if [ -s "$path" ]; then holds=1; else holds=0; fi ;;
  esac
  at=${path%/*}
  set -- "$1" $(stat -c %d -- "$path" "${at:-/}" 2>/dev/null)
  [ "$#" -ne 3 ] || if [ "$2" = "$3" ]; then mount=0; else mount=1; fi
  echo "$mark source $1 $is $holds $mount $(readlink -- "$path")"
}
"""

# Defines `borg_home`, which sets $cache and $security to where borg keeps its cache and its memory of repositories, by
# its own rules (1.2.4, 1.4.5).
BORG_HOME = r"""
borg_home() {
  home=${BORG_BASE_DIR:-$HOME}
  if [ -n "$BORG_BASE_DIR" ]; then cache=$home/.cache config=$home/.config
  else cache=${XDG_CACHE_HOME:-$home/.cache} config=${XDG_CONFIG_HOME:-$home/.config}; fi
  cache=${BORG_CACHE_DIR:-$cache/borg} security=${BORG_SECURITY_DIR:-${BORG_CONFIG_DIR:-$config/borg}/security}
}
"""

# Defines `seen_at LOCATION`: prints the id of a repository that borg here has seen there, if any.
SEEN_AT = (
    BORG_HOME
    + r"""
seen_at() {
  borg_home
  for file in "$security"/*/location; do
    seen=
    { IFS= read -r seen <"$file"; } 2>/dev/null || :
    [ "$seen" != "$1" ] || { file=${file%/*}; echo "${file##*/}"; break; }
  done
}
"""
)

# Arguments: mark, borg, sudo (empty for none), its niceness (empty for none), the folder that it works in (made if need
# be; empty for the home), whether it reads what a command prints (empty for no), the location of the repository, how
# many arguments of borg come before the source paths, and the arguments of borg.
# Standard input is the lifeline: first the passphrase, then nothing; when it ends, borg is interrupted, and killed when
# it does not end. `read` takes its input byte by byte, and it and `printf` are built in: no secret gets into an argv.
# A directory whose session is no more was left behind by a kill or a crash.
# Borg cuts the next chunk, of about 2 MiB, when the last one is all written (1.2.4, 1.4.5): a socket that takes a whole
# one lets it go on meanwhile, which makes `create` a tenth faster. The kernel gives of it what it allows (wmem_max).
# For the command of a stream, there come after the passphrase how many bytes it has, and the command with the mark. It
# becomes the input of borg, which leaves that to DUMP, through a pipe in the folder: its text may hold a password. When
# borg or the lifeline ends, what the command started is ended too: it may hold the session's standard error open. sshd
# gives each session a process group of its own (OpenSSH 9.2); where that is not so (dropbear), the command ends when it
# has nobody to write to.
SESSION = (
    ssh.WATCHDOG
    + sudo.LOOK
    + sudo.LEAD
    + SOURCE_PATH
    + SEEN_AT
    + r"""
umask 077
unset BORG_PASSPHRASE BORG_PASSCOMMAND BORG_NEW_PASSPHRASE BORG_REMOTE_PATH borgpull_secret
mark=$1 borg=$2 sudo=$3 nice=$4 folder=$5 stream=$6 location=$7 skip=$8
shift 8
exec 3<&0 </dev/null
command -v "$borg" >/dev/null || echo "$mark lacks borg"
[ -z "$sudo" ] || ask_sudo || echo "$mark refused $borg $said"
command -v socat >/dev/null || echo "$mark lacks socat"
# What a borg of root's has seen, this user may not see.
[ -n "$sudo" ] || (seen_at "$location" | sed "s/^/$mark seen /")
n=0
for path do
  n=$((n + 1))
  if [ "$n" -gt "$skip" ]; then
    there "$path" || echo "$mark missing $((n - skip - 1))"
    (source_path "$((n - skip - 1))" "$path")
  else
    case $path in --patterns-from=*) readable "${path#*=}" || echo "$mark lacks patterns" ;; esac
  fi
done
"""
    + BASE
    + r"""
for old in "$base"/borgpull.??????????; do
  [ -O "$old" ] && [ ! -L "$old" ] && read -r p 2>/dev/null <"$old/pid" || continue
  kill -0 "$p" 2>/dev/null && { [ ! -e "/proc/$p" ] || grep -q borgpull "/proc/$p/cmdline"; } || clear_away "$old"
done
"""
    + FOLDER
    + r"""
echo "$mark clock $(date -u +%s)"
echo "$mark place $dir"
IFS= read -r borgpull_secret <&3 || exit 90
all=
if [ -n "$stream" ]; then
  IFS= read -r size <&3 && mkfifo "$dir/command" || exit 90
  command=$(dd bs=1 count="$size" <&3 2>/dev/null)
  printf %s "$command" >"$dir/command" 3<&- &
  unset command
  [ "$(sed 's/.*) //' "/proc/$$/stat" 2>/dev/null | cut -d ' ' -f 3)" != $$ ] || all=0
fi
way="exec socat -b 262144 STDIO UNIX-CONNECT:$dir/borg,sndbuf=4194304"
export BORG_RSH="sh -c '$way'"
[ -z "$sudo" ] || lead_by_sudo
printf %s "$borgpull_secret" | {
  unset borgpull_secret
  exec 4<&0 </dev/null 3<&- 5<&-
  [ -z "$stream" ] || { exec <"$dir/command" && rm "$dir/command"; } || exit 2
  [ -z "$folder" ] || { mkdir -p "$folder" && cd "$folder"; } || exit 2
  calmly=
  if [ -n "$nice" ]; then
    ! nice -n "$nice" true || calmly="nice -n $nice"
    ! ionice -c 2 -n 7 true || calmly="$calmly ionice -c 2 -n 7"
  fi 2>/dev/null
  [ -z "$sudo" ] || exec $calmly "$sudo" -n -H -- "$borg" --rsh="$rsh" "$@" <&4
  export BORG_PASSPHRASE_FD=4
  exec $calmly "$borg" "$@"
} &
p=$!
unset borgpull_secret
{
  while IFS= read -r n; do :; done <&3
  if [ -n "$sudo" ]; then rm -f "$dir/life"; exec 5<&-; else kill -INT $p; fi
  [ -z "$all" ] || { trap '' TERM; kill -TERM $all; sleep 1; }
  n=0
  while [ $n -lt 25 ] && kill -0 $p; do sleep 1; n=$((n + 1)); done
  [ $n -lt 25 ] || kill -KILL $p
  [ -n "$all" ] || exit
  n=0
  while [ $n -lt 3 ] && [ -e "$dir" ]; do sleep 1; n=$((n + 1)); done
  kill -KILL $all
} >/dev/null 2>&1 &
w=$!
exec 3<&- 5<&-
wait $p
r=$?
kill $w 2>/dev/null
[ -z "$all" ] || { trap '' TERM; kill -TERM $all; } 2>/dev/null
exit $r
"""
)

# What borg starts for a stream: it reads the command from its input, and becomes it. Arguments: mark, and the names of
# what it shall not find in its environment. Never a part of a command: without the mark behind it, a pipe was cut. What
# borg says next on the same standard error begins on a line of its own.
DUMP = r"""
command=$(cat)
exec </dev/null
case $command in *"$1") command=${command%"$1"} ;; *) exit 90 ;; esac
shift
unset "$@"
set --
trap 'echo >&2' EXIT
eval "$command"
"""
