"""The two shell scripts that run on a target: PREFLIGHT checks what a backup needs, that of a session runs one borg.

They need nothing but sh, coreutils and socat.
"""

from __future__ import annotations

from collections.abc import Mapping

from .. import ssh
from ..borg.command_lines import DROP_SETTINGS
from ..borg.locks import OWN_LOCKS
from . import sudo

# Defines `borg_home`, which sets $cache and $security to where borg keeps its cache and its memory of repositories, by
# its own rules (1.2.4, 1.4.5), and `seen_at LOCATION`, which prints the ids of the repositories that it has seen there.
BORG_HOME = r"""
borg_home() {
  home=${BORG_BASE_DIR:-$HOME}
  if [ -n "$BORG_BASE_DIR" ]; then cache=$home/.cache config=$home/.config
  else cache=${XDG_CACHE_HOME:-$home/.cache} config=${XDG_CONFIG_HOME:-$home/.config}; fi
  cache=${BORG_CACHE_DIR:-$cache/borg} security=${BORG_SECURITY_DIR:-${BORG_CONFIG_DIR:-$config/borg}/security}
}
seen_at() {
  borg_home
  for file in "$security"/*/location; do
    seen=
    { IFS= read -r seen <"$file"; } 2>/dev/null || :
    [ "$seen" != "$1" ] || { file=${file%/*}; echo "${file##*/}"; }
  done
}
"""

# Defines `processor`: prints what the processor can do, which decides about the cipher.
PROCESSOR = r"""
processor() { echo "processor $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null)"; }
"""

# Arguments: borg, sudo ("" for none), socat, anything but "" for the versions of borg and socat (which starts them),
# the file of patterns ("" for none), the location of the repository, and the source paths. A framed script, whose part
# `facts` has a word and a value in each line. `odd` is the path of a socat that SESSION cannot pass on.
# `source_path NUMBER PATH` prints what a source path is (folder, file, link, other, or unknown where this user cannot
# see it), whether anything is in it, whether it is a mount point, and where a link leads; - is not known. A line before
# it says if the path is missing, hidden from this user, or closed to it.
PREFLIGHT = (
    sudo.CHECKS
    + BORG_HOME
    + PROCESSOR
    + r"""
source_path() {
  if ! there "$2"; then echo "missing $1"
  elif [ ! -e "$2" ] && [ ! -L "$2" ]; then echo "hidden $1"
  elif [ -L "$2" ]; then :
  elif [ ! -r "$2" ] || { [ -d "$2" ] && [ ! -x "$2" ]; }; then echo "closed $1"
  fi
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
  echo "source $1 $is $holds $mount $(readlink -- "$path")"
}
preflight() {
  borg=$1 sudo=$2 socat=$3 versions=$4 patterns=$5 location=$6
  shift 6
  exec </dev/null
  if ! command -v "$borg" >/dev/null; then :
  elif [ -n "$sudo" ]; then if ask_sudo; then echo "borg $said"; else echo "refused $borg $said"; fi
  elif [ -n "$versions" ]; then echo "borg $("$borg" --version 2>&1 | sed -n '$p')"
  else echo borg
  fi
  if ! socat=$(command -v "$socat"); then :
  elif [ -n "$versions" ]; then echo "socat $("$socat" -V 2>&1 | grep -m 1 '^socat version')"
  else echo socat
  fi
  case $socat in *[!A-Za-z0-9._/+-]* | [!/]*) echo "odd $socat" ;; esac
  [ -z "$patterns" ] || readable "$patterns" || echo "patterns missing"
  # What root's borg has seen, this user may not see.
  [ -n "$sudo" ] || seen_at "$location" | sed 's/^/seen /'
  n=0
  for each do
    source_path "$n" "$each"
    n=$((n + 1))
  done
  echo "arguments $(getconf ARG_MAX 2>/dev/null)"
  echo "clock $(date -u +%s)"
  [ -z "$versions" ] || processor
}
part facts preflight "$@"
"""
)

# Arguments: mark, what the name of its folder ends with, borg, sudo ("" for none), socat, its niceness ("" for none),
# the folder that it works in (made if need be; "" for the home), whether it reads what a command prints ("" for no),
# the location of the repository ("" where its cache is left as it is), and the arguments of borg.
# Standard input has the passphrase, once the folder is named, then beats; without them, or when it ends, borg is
# interrupted, and killed when it does not end. `read` takes its input byte by byte, and it and `printf` are built in:
# no secret gets into an argv.
# Its folder $dir is removed when it ends, and so is one that a killed session left behind: only what a session of ours
# made.
# Borg cuts the next chunk, of about 2 MiB, when the last one is written (1.2.4, 1.4.5): a socket that takes a whole one
# lets it go on meanwhile, which makes `create` a tenth faster. Linux may grant less (wmem_max); FreeBSD and macOS
# refuse what is too large, and socat ends (1.7.4). The socket takes one connection: a socat without one tries that.
# One that cannot even be started says why here: of what it says to borg, borg may miss the end (1.2.4, 1.4.5).
# Borg closes its connection when it has the answer to its commit, and waits for its socat, which need not wait for the
# end of the serve then: -t.
# The socat that this user finds is named by its whole path: root may find another one, or none (secure_path).
# For a stream, its size in bytes and its command with the mark follow the passphrase. A pipe in the folder passes them
# to borg's standard input, which borg leaves to DUMP: the text may hold a password. When borg or the standard input
# ends, what the command started is ended too: it may hold the session's standard error open. sshd gives each session a
# process group of its own (OpenSSH 9.2); without one (dropbear) the command ends when its output has no reader.
_SESSION = (
    sudo.SET_RSH
    + ssh.TEMPORARY
    + BORG_HOME
    + OWN_LOCKS
    + r"""
umask 077
unset borgpull_secret
grep() { (own; command grep "$@"); }
mark=$1 token=$2 borg=$3 sudo=$4 socat=$5 nice=$6 folder=$7 stream=$8 location=$9
shift 9
exec 3<&0 </dev/null
# sudoers knows borg by its whole path.
[ -z "$sudo" ] || borg=$(command -v "$borg")
clear_away() {
  read -r p 2>/dev/null <"$1/socat" && { [ ! -e "/proc/$p" ] || grep -q "$1" "/proc/$p/cmdline"; } &&
    kill "$p" 2>/dev/null
  rm -f "$1/borg" "$1/pid" "$1/socat" "$1/life" "$1/command"
  rmdir "$1"
}
for old in "$base"/borgpull.??????????; do
  was=
  [ -O "$old" ] && [ ! -L "$old" ] && read -r p was 2>/dev/null <"$old/pid" || continue
  began "$p"
  kill -0 "$p" 2>/dev/null && [ "$began" = "$was" ] || clear_away "$old"
done
new_folder "borgpull.$token" || exit 91
own_cache() {
  _seen=$(seen_at "$1")
  borg_home
  set --
  for _id in $_seen; do set -- "$@" "$cache/$_id"; done
  own_locks "$@"
}
[ -z "$location" ] || own_cache "$location"
began $$
echo "$$ $began" >"$dir/pid"
{ trap 'kill $s; exit' TERM; sleep 120 & s=$!; wait $s; kill $$; } >/dev/null 2>&1 3<&- &
patience=$!
trap '[ -z "$patience" ] || kill $patience; clear_away "$dir"' EXIT
trap 'exit 143' HUP INT TERM PIPE
printf '\n%s %s\n' "$mark" "$dir"
socat=$(command -v "$socat" || echo "$socat") buffer=,sndbuf=4194304
try_socat() { "$socat" -u /dev/null "UNIX-SENDTO:$dir/borg$buffer" >/dev/null 3<&-; }
try_socat 2>/dev/null || { buffer=; try_socat; }
IFS= read -r borgpull_secret <&3 || exit 90
kill $patience
patience= all=
if [ -n "$stream" ]; then
  IFS= read -r size <&3 && mkfifo "$dir/command" || exit 90
  command=$(dd bs=1 count="$size" <&3 2>/dev/null)
  printf %s "$command" >"$dir/command" 3<&- &
  unset command
  [ "$group" != $$ ] || all=0
fi
connect="exec $socat -b 262144 -t 0.01 STDIO UNIX-CONNECT:$dir/borg$buffer"
export BORG_RSH="sh -c '$connect'"
[ -z "$sudo" ] || set_rsh
printf %s "$borgpull_secret" | {
  unset borgpull_secret
  exec 4<&0 </dev/null 3<&- 5<&-
  [ -z "$stream" ] || { exec <"$dir/command" && rm "$dir/command"; } || exit 2
  [ -z "$folder" ] || { mkdir -p "$folder" && cd "$folder"; } || exit 2
  priority=
  if [ -n "$nice" ]; then
    ! nice -n "$nice" true || priority="nice -n $nice"
    ! ionice -c 2 -n 7 true || priority="$priority ionice -c 2 -n 7"
  fi 2>/dev/null
  [ -z "$sudo" ] || exec $priority "$sudo" -n -H -- "$borg" --rsh="$rsh" "$@" <&4
  export BORG_PASSPHRASE_FD=4
  exec $priority "$borg" "$@"
} &
p=$!
unset borgpull_secret
beats | {
  until_silent
  if [ -n "$sudo" ]; then rm -f "$dir/life"; exec 5<&-; else kill -INT $p; fi
  [ -z "$all" ] || { trap '' TERM; kill -TERM $all; sleep 1; }
  while_for 25 kill -0 $p || {
    # What a standalone borg unpacked is a child of it.
    [ "$group" != $$ ] || { all=0; trap '' TERM; }
    kill -KILL $p
  }
  [ -n "$all" ] || exit
  while_for 3 [ -e "$dir" ]
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


def session_script(environment: Mapping[str, str]) -> str:
    """Return the script of a session, whose borg gets this environment and of the host's own what may count."""
    return ssh.WATCHDOG + DROP_SETTINGS + ssh.exports(environment) + _SESSION


# What borg starts for a stream: it reads the command from its input, and runs it. Arguments: mark, and the names to
# take out of its environment. It never runs a part of a command: without the mark at its end, the pipe was cut. What
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
