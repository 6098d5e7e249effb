"""The shell scripts that run on B: lock, look, keep, restore. They ask for nothing but sh and coreutils.

Each answers in the frame of `ssh.ask`, so that no text of B needs to be guessed at; every file replaced is replaced by
rename. The folder of a ledger lies where no session of T can reach it.
"""

from __future__ import annotations

from ..ssh import FIND_SSHD

# A process is registered as a file KIND.PID that holds when it began, by its kernel's count, for a pid may come round
# again. p: one of the session itself; g: a script, with the process group that it leads; serve: a `borg serve`. Where
# there is no /proc the pid alone has to do. When a line cannot be put into a file, a dash does not say why; cat does.
_LIVES = r"""
put() { echo "$1" >"$2" || { echo "$1" | cat >"$2"; return 1; }; }
began() {
  began=
  { read -r _stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  set -- ${_stat##*) }
  case $1 in Z | X) ;; *) began=${20} ;; esac
}
lives() {
  _pid=${1##*.} _was=
  { read -r _was <"$1"; } 2>/dev/null || :
  if [ -e /proc/self/stat ]; then
    began "$_pid"
    [ -z "$began" ] || { [ "$began" = "$_was" ]; return; }
  else
    ! kill -0 "$_pid" 2>/dev/null || return 0
  fi
  case $1 in */g.*) kill -0 "-$_pid" 2>/dev/null ;; *) false ;; esac
}
others() {
  for _file in "$1"/p.* "$1"/g.* "$1"/serve.*; do
    [ "$_file" = "$1/p.$2" ] || ! lives "$_file" || return 0
  done
  false
}
stopped() { grep -q '^State:[^A-Z]*T' "/proc/$1/status" 2>/dev/null; }
strike() {
  for _file in "$2"/p.* "$2"/g.* "$2"/serve.*; do
    [ "$_file" != "$2/p.$3" ] && lives "$_file" || continue
    case $1,$_file in
      TERM,*/serve.*) ! stopped "$_pid" || kill -CONT "$_pid" ;;
      *,*/g.*) kill "-$1" "-$_pid" ;;
      *) kill "-$1" "$_pid" ;;
    esac
  done 2>/dev/null
}
"""

# The bytes that are kept for the day when the disk is full: a hundred targets take about as many.
RESERVE = 16 * 1024 * 1024

# The lasting session. $1 is the mark: `MARK begun` says that a shell runs it, `MARK ready` that it is ready. $2 is the
# folder of the ledger, $3 its name there, $4 the longest silence (seconds), $5 the reserve, a file that goes where the
# disk is full, so that there is room for all this. It reads its input to the byte: a beat, or
# `run BYTES BYTES` and as many bytes of a script and of that script's input. A script runs beside it, in a process
# group of its own, so that beats are heard meanwhile. What is registered in its folder ends with it, a serve by itself
# if it can; once the folder is named $3.gone, nothing is registered any more.
LASTING = (
    'echo "$1 begun"\n'
    + FIND_SSHD
    + _LIVES
    + r"""
mark=$1 led=$2 token=$3 silence=$4 reserve=$5 main=$$ silent=
umask 077
LC_ALL=C
export LC_ALL
trap '' HUP INT PIPE
session=$led/$token
room() {
  [ -e "$reserve" ] || return 0
  set -- $(stat -f -c '%b %a %S' "$reserve" 2>/dev/null)
  [ "$#" -ne 3 ] || [ "$1" -eq 0 ] || [ "$(($2 * $3))" -ge """
    + f"{RESERVE}"
    + r""" ] || rm -f "$reserve" 2>/dev/null
}
room
began $$
mkdir -p "$led" && mkdir "$session.new" && put "$began" "$session.new/p.$$" && mv "$session.new" "$session" || {
  rm -rf "$session.new"
  echo "no folder for the session" >&2
  exit 1
}
finish() {
  mv "$session" "$session.gone" 2>/dev/null || return 0
  n=0
  while others "$session.gone" "$1"; do
    # A serve ends by itself, or else in order: killed, it would leave its lock.
    case $n in 0) signal=TERM ;; 8) signal=15 ;; 15) signal=KILL ;; *) signal= ;; esac
    [ -z "$signal" ] || strike "$signal" "$session.gone" "$1" || :
    n=$((n + 1))
    sleep 1 || :
  done
  owner=
  { read -r owner <"$led/lock/owner"; } 2>/dev/null || :
  case $owner in "$token "*) rm -rf "$led/lock" ;; esac
  rm -rf "$session.gone"
}
# What runs a script was killed before it could say how that ended: nobody would.
unheard() {
  [ -e /proc/self/stat ] || return
  _number= _runner= _told=
  { read -r _number _runner <"$session/runner"; } 2>/dev/null || return
  began "$_runner"
  { read -r _told <"$session/told"; } 2>/dev/null || :
  [ -z "$began" ] && [ "$_number" != "$_told" ]
}
watch() {
  last= still=0
  while [ -z "$silent" ] && sleep 5 && lives "$session/p.$main" && ! unheard; do
    now=
    { read -r now <"$session/beat"; } 2>/dev/null || :
    if [ "$now" = "$last" ]; then still=$((still + 5)); else still=0 last=$now; fi
    [ "$still" -lt "$silence" ] || silent=yes
  done
  # Without the connection a serve knows that its client has gone.
  [ -z "$silent" ] || [ -z "$sshd" ] || { kill "$sshd"; sleep 1; kill -KILL "$sshd"; }
  finish "$(exec sh -c 'echo $PPID')"
}
watch >/dev/null 2>&1 </dev/null &
watcher=$!
began "$watcher"
echo "$began" >"$session/p.$watcher"
echo 0 >"$session/told"
echo "$mark ready"
n=0
while read -r word script input; do
  n=$((n + 1))
  echo "$n" 1<>"$session/beat"
  [ "$word" = run ] || continue
  room
  dd ibs=1 obs=65536 count="$script" of="$session/script" 2>/dev/null &&
    dd ibs=1 obs=65536 count="$input" of="$session/input" 2>/dev/null &&
    [ "$(wc -c <"$session/script")" -eq "$script" ] && [ "$(wc -c <"$session/input")" -eq "$input" ] || break
  {
    exec 3>&1
    said=$(setsid sh "$session/script" "$session" <"$session/input" 2>&1 >&3 3>&-)
    r=$?
    case $said in *"No space left"*) rm -f "$reserve" 2>/dev/null ;; esac
    echo "$n" 1<>"$session/told"
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
    _LIVES
    + r"""
session=$1
began $$
put "$began" "$session/g.$$" || exit 1
"""
)

# One run at a time: takes the lock for the session $2, of which $3 tells whose it is and $5 of which run, or says who
# holds it after $4 seconds. A lock is void when nothing lives that its session registered; what an earlier attempt of
# this very run left is ended first. A folder, because every file system can make one atomically.
LOCK = r"""
led=$1 token=$2 who=$3 patience=$4 run=$5
n=0
until mkdir "$led/lock" 2>/dev/null; do
  [ -d "$led/lock" ] || { mkdir "$led/lock" && break; [ -d "$led/lock" ] || exit 1; }
  owner=
  { read -r owner <"$led/lock/owner"; } 2>/dev/null || :
  other=$led/${owner%% *} void=
  case $owner in
    "") [ "$n" -lt 10 ] || void=yes ;;
    *" $run,"*)
      signal=TERM
      [ "$n" -lt 5 ] || signal=KILL
      strike "$signal" "$other" "" || :
      strike "$signal" "$other.gone" "" || :
      ;;
  esac
  # In this order: meanwhile it may be renamed.
  [ -z "$owner" ] || others "$other" "" || others "$other.gone" "" || void=yes
  if [ -n "$void" ]; then
    if mv "$led/lock" "$led/lock.$$" 2>/dev/null; then
      found=
      { read -r found <"$led/lock.$$/owner"; } 2>/dev/null || :
      if [ "$found" = "$owner" ]; then
        [ -z "$owner" ] || rm -rf "$other" "$other.gone"
        rm -rf "$led/lock.$$"
        continue
      fi
      mv -T "$led/lock.$$" "$led/lock"
    fi
  fi
  if [ "$n" -ge "$patience" ]; then
    say held "${owner#* }"
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

# Prints the state of T's `borg serve` as the kernel names it: T is stopped, D waits for a disk.
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
        kill -KILL "$_pid"
      fi
      n=$((n + 1))
      on
      sleep 1
    done
  done
}
"""

# What lies in a repository $1 and beside it, in the folder $2 of its ledger. Of hints only the first $3 bytes are of
# use: their shadow index grows with each object ever pruned. The names of the segments come as they are. Of the segment
# that the last transaction ends with, a few bytes tell whether it is whole: one byte more than a commit alone has.
LOOK = r"""
repo=$1 led=$2 most=$3
text ledger "$led/ledger.json"
kind "$led/given-up" || exit 1
say given-up "$kind"
kind "$repo" || exit 1
say repository "$kind"
[ "$kind" = folder ] || exit 0
cd "$repo" || exit 1
kind data || exit 1
case $kind in
  folder) part segments find data -type f || exit 1 ;;
  nothing) say segments "" ;;
  *) say odd "$kind"; exit 0 ;;
esac
part names ls -a || exit 1
set -f
names=$_said last=
for f in $names; do
  case $f in
    *.tmp) ;;
    config | nonce | hints.* | integrity.*) file "$f" "$f" "$most" || exit 1 ;;
  esac
  case $f in hints.*[!0-9]*) ;; hints.*) last="$last data/*/${f#hints.}" ;; esac
done
set +f
for f in $last; do file "last.${f##*/}" "$f" 18 || exit 1; done
"""

# Whether there ever was a ledger below RootDir $1; with $2, whether that is a mount point: busybox says no with 1,
# util-linux with 32.
ROOT = r"""
kind "$1/.borgpull/.borgpull/ids" || exit 1
say ledgers "$kind"
if [ -n "$2" ]; then
  mountpoint -q "$1" && r=0 || r=$?
  case $r in
    0) ;;
    1 | 32) say unmounted "" ;;
    *) exit 1 ;;
  esac
fi
"""

# Says the id of the file system of $1, how many blocks it has and has free, and their size; nothing where it has none.
_SPACE = r"""
space() {
  _r=0
  _said=$(stat -f -c '%i %b %a %S' -- "$1" 2>&1) || _r=$?
  case $_r,$_said in
    0,*) say space "$_said" ;;
    1,*"ot supported"* | 1,*"not implemented"* | 1,*option*) say space "" ;;
    *) printf '%s\n' "$_said" >&2; return 1 ;;
  esac
}
"""

# What can be seen without opening the repository. It takes no lock and waits for nobody. What takes its time comes
# first, so that lock, transaction and ledger are those of one moment. What is being worked on cannot be measured.
SURVEY = (
    _LIVES
    + _SPACE
    + r"""
repo=$1 led=$2 held= grace=
kind "$led/grace" || exit 1
[ "$kind" != folder ] || grace=$led/grace
kind "$repo" || exit 1
say repository "$kind"
[ "$kind" = nothing ] || space "$repo" || exit 1
holder() {
  owner=
  { read -r owner <"$led/lock/owner"; } 2>/dev/null || :
  other=$led/${owner%% *}
  [ -n "$owner" ] && { others "$other" "" || others "$other.gone" ""; } && held=${owner#* }
}
case $kind in
  nothing) ;;
  *) holder || part kilobytes du -sk -- "$repo" ${grace:+"$grace"} || { holder && say kilobytes ""; } || exit 1 ;;
esac
! holder || say held "$held"
[ "$kind" != folder ] || part names ls -a -- "$repo" || exit 1
[ -z "$grace" ] || part grace ls "$grace" || exit 1
text ledger "$led/ledger.json"
kind "$led/history" || exit 1
[ "$kind" = folder ] || exit 0
part entries ls "$led/history" || exit 1
cd "$led/history" || exit 1
set -- "$3" $_said
while [ "$(($# - 1))" -gt "$1" ]; do
  most=$1
  shift 2
  set -- "$most" "$@"
done
shift
[ "$#" -eq 0 ] || part history cat "$@"
"""
)

# Adds standard input to the history as $2, and removes the oldest of more than $3 entries. It needs no lock.
REMEMBER = r"""
led=$1 name=$2 most=$3
set -e
mkdir -p "$led/history"
cat >"$led/history/.$name"
mv "$led/history/.$name" "$led/history/$name"
names=$(ls "$led/history")
set -- $names
while [ "$#" -gt "$most" ]; do
  rm -f "$led/history/$1"
  shift
done
"""

# Makes the folder $1 with a file for each repository id that ever had a ledger below this RootDir, if there is none: of
# all ledgers that lie there. Each file holds the folder of the ledger. No SubDir can have the name of that folder. What
# goes while it searches are the locks and temporary files of the repositories that others are at work on.
_IDS = r"""
make_ids() {
  ids=$1
  [ ! -d "$ids" ] || return 0
  mkdir -p "${ids%/*}"
  ledgers=$(find "${ids%/*/*}/" "${ids%/*}/" -name 'ledger*.json' -type f 2>"$ids.$$.said") || {
    [ "$?" -eq 1 ] && [ -s "$ids.$$.said" ] &&
      { grep -v 'No such file or directory$' "$ids.$$.said" >&2; [ "$?" -eq 1 ]; } ||
      { rm -f "$ids.$$.said"; return 1; }
  }
  rm -rf "$ids.$$" "$ids.$$.said"
  mkdir "$ids.$$"
  printf '%s\n' "$ledgers" . | {
    while IFS= read -r old && [ "$old" != . ]; do
      known=
      [ -z "$old" ] || known=$(sed -n 's/.*"repository_id":"\([0-9a-f]\{64\}\)".*/\1/p' "$old")
      [ -z "$known" ] || printf '%s\n' "${old%/*}" >"$ids.$$/$known"
    done
    [ "$old" = . ]
  }
  mv "$ids.$$" "$ids"
  # Another first run may have been faster.
  rm -rf "$ids/${ids##*/}.$$"
}
"""

# `save FROM TO` keeps the repository FROM as the snapshot TO.new: segments are written once and removed by unlink, so a
# hard link keeps them; what borg rewrites in place is copied. $links is empty where no hard links can be made. The
# $beyond ones above the last transaction $last were not committed: borg removes them, and a link would keep their
# space. With another state as $from these numbers are not those of this repository.
_SAVE = r"""
save() {
  rm -rf "$2.new"
  mkdir -p "$2.new"
  cd "$1"
  names=$(ls -a)
  set -f
  links=yes r=0
  said=$(ln config "$2.new/linked" 2>&1) || r=$?
  case $r,$said in
    0,*) ;;
    1,*ross-device* | 1,*"not permitted"* | 1,*"ot supported"* | 1,*"not implemented"* | 1,*"oo many links"*) links= ;;
    *) printf '%s\n' "$said" >&2; exit 1 ;;
  esac
  if [ -n "$links" ]; then
    cp -al data "$2.new/data"
    [ "$from" != "$repo" ] || [ "$beyond" -eq 0 ] || find "$2.new/data" -type f | while read -r f; do
      [ "${f##*/}" -le "$last" ] || rm -f "$f"
    done 2>/dev/null
    for f in $names; do
      case $f in index.* | hints.* | integrity.*) ln "$f" "$2.new/$f" ;; esac
    done
  fi
  for f in $names; do
    case $f in README | config | nonce | transactions) cp -p "$f" "$2.new/$f" ;; esac
  done
  set +f
}
"""

# The reserve $1 is made once there is room for it and more; of what a disk compresses nothing would be kept.
_RESERVE = rf"""
make_reserve() {{
  [ ! -e "$1" ] || return 0
  set -- "$1" $(stat -f -c '%b %a %S' "${{1%/*}}" 2>/dev/null)
  if [ "$#" -eq 4 ] && [ "$(($3 * $4))" -ge {4 * RESERVE} ]; then
    head -c {RESERVE} /dev/urandom >"$1.$$" && mv "$1.$$" "$1" || rm -f "$1.$$"
  fi
}}
"""

# Writes the ledger from standard input. $3: "make" a snapshot first, "keep" what there is, "drop" it afterwards; with
# any other word the snapshot is made of the state in Grace that has this name. $4 is the folder of ids, $5 the
# repository's. $6 is the name under which the present state is kept in Grace, with the ledger that it has until now;
# what is older than $7 is dropped there. $8 is the last transaction, $9 how many segments lie above it.
WRITE = (
    _IDS
    + _SAVE
    + _RESERVE
    + _SPACE
    + r"""
repo=$1 led=$2 snapshot=$3 ids=$4 id=$5 grace=$6 oldest=$7 last=$8 beyond=$9
set -e
mkdir -p "$led"
cat >"$led/ledger.new"
from=$repo
case $snapshot in
  keep | drop) ;;
  *)
    [ "$snapshot" = make ] || from=$led/grace/$snapshot
    save "$from" "$led/snapshot"
    [ -n "$links" ] || say links none
    rm -rf "$led/snapshot"
    mv "$led/snapshot.new" "$led/snapshot"
    part kilobytes du -sk "$from"
    ;;
esac
if [ -n "$grace" ]; then
  rm -rf "$led/grace/"*.new
  save "$repo" "$led/grace/$grace"
  if [ -n "$links" ]; then
    ln "$led/ledger.json" "$led/grace/$grace.new/ledger.json"
    mv "$led/grace/$grace.new" "$led/grace/$grace"
  else
    rm -rf "$led/grace/$grace.new"
  fi
fi
make_ids "$ids"
if [ ! -s "$ids/$id" ]; then
  printf '%s\n' "$led" >"$ids/$id.new"
  mv "$ids/$id.new" "$ids/$id"
fi
sync "$led/ledger.new" 2>/dev/null || :
mv "$led/ledger.new" "$led/ledger.json"
rm -f "$led/given-up"
if [ "$snapshot" = drop ]; then
  rm -rf "$led/snapshot" "$led/taken"
  make_reserve "${ids%/*}/reserve"
fi
if [ -n "$oldest" ]; then
  for old in "$led"/grace/*; do
    case $(expr "x${old##*/}" '<' "x$oldest") in 1) rm -rf "$old" ;; esac
  done
fi
[ ! -e "$repo" ] || space "$repo"
[ ! -f "$repo/index.$last" ] || part index stat -c %s "$repo/index.$last"
part clock date -u +%s
"""
)

# The names of the states that are kept in Grace beside the ledger $1; with $2 they are all dropped.
GRACE = r"""
kind "$1/grace" || exit 1
[ "$kind" != folder ] || part grace ls "$1/grace" || exit 1
[ -z "$2" ] || rm -rf "$1/grace"
"""

# The folder of the ledger that the repository id $2 once had, by the folder of ids $1.
FIND_ID = (
    _IDS
    + r"""
set -e
make_ids "$1"
text place "$1/$2"
"""
)

# The folders of all ledgers that there ever were, by the folder of ids $1; one that is being written is not whole.
PLACES = r"""
kind "$1" || exit 1
case $kind in
  folder) part places find "$1" -type f ! -name '*.new' -exec cat {} + || exit 1 ;;
  *) say places "" ;;
esac
"""

# Which of the folders on standard input have a ledger now, in which $1 or $2 stands; empty for any.
LEDGERS = r"""
found=$(
  while IFS= read -r led; do
    kind "$led/ledger.json" || exit 1
    [ "$kind" = file ] || continue
    n=$(grep -cF -e "$1" -e "$2" "$led/ledger.json") || :
    case $n in 0) ;; [1-9]*) printf '%s\n' "$led" ;; *) exit 1 ;; esac
  done
) || exit 1
say ledgers "$found"
"""

# Has borg begin a check of the repository $1 anew: its config remembers how far one came.
CHECK_ANEW = r"""
set -e
cd "$1"
cp -p config config.new
sed '/^last_segment_checked *[=:]/d' config >config.new
mv config.new config
say anew
"""

# Tells which of the host keys from $4 on other targets have: the folder $1 has a file KEY.TAG for each key of a target.
# $2 is the tag of this one. With $3, the folder of its ledger, it is put on record for each of them.
HOST_KEYS = r"""
hosts=$1 own=$2 led=$3
shift 3
set -e
mkdir -p "$hosts"
for key do
  for file in "$hosts/$key".*; do
    case $file in "$hosts/$key.$own" | "$hosts/$key.*") ;; *) say "other.$key" "" ;; esac
  done
  if [ -n "$led" ] && [ ! -s "$hosts/$key.$own" ]; then printf '%s\n' "$led" >"$hosts/$key.$own"; fi
done
"""

# Puts the ledger and what is kept with it from $1 to $2, itself last; what others have below it stays. Writes that down
# for the repository id $4 in the folder of ids $3, and for its host keys in the folder $5, where its tag was $6.
MOVE = r"""
old=$1 new=$2 ids=$3 id=$4 hosts=$5 was=$6 own=$7
set -e
if [ "$old" != "$new" ]; then
  mkdir -p "$new/history"
  for path in "$old"/history/* "$old"/*; do
    name=${path#"$old/"}
    case $name in lock* | session.* | history | ledger.json) continue ;; esac
    case $new/ in "$path"/*) continue ;; esac
    [ ! -e "$path" ] || [ -e "$path/ledger.json" ] || [ -e "$new/$name" ] || mv "$path" "$new/$name"
  done
  mv "$old/ledger.json" "$new/ledger.json"
fi
[ "$was" = "$own" ] || for path in "$hosts"/*."$was"; do
  [ -e "$path" ] || continue
  printf '%s\n' "$new" >"${path%.*}.$own"
  rm -f "$path"
done
printf '%s\n' "$new" >"$ids/$id.new"
mv "$ids/$id.new" "$ids/$id"
say moved
"""

# Moves what a `borg init` left that was cut off from the place of a repository $1 to a folder beside the ledger. It is
# that when it has nothing but files that borg makes, and no commit: at most an empty list of archives in one segment
# (530 bytes with 1.2.4 and 1.4.5), and less than a commit (17 bytes) in the next one. Anything else is told, and stays.
SET_ASIDE = r"""
repo=$1 led=$2
set -e
cd "$repo"
names=$(ls -a && { [ ! -d data ] || find data ! -type d; })
set -f
for f in $names; do
  case $f in
    . | .. | data | README | config | config.* | nonce | nonce.* | transactions) continue ;;
    index.* | hints.* | integrity.* | lock.exclusive | lock.exclusive.* | lock.roster) continue ;;
    data/0/0) most=4096 ;;
    data/0/1) most=16 ;;
    *) say other "$f"; exit 0 ;;
  esac
  size=$(wc -c <"$f")
  [ "$size" -le "$most" ] || { say other "$f"; exit 0; }
done
mkdir -p "$led"
aside=$led/half-made.$(date -u +%Y-%m-%dT%H:%M:%S)
mkdir "$aside"
mv "$repo" "$aside/"
say aside "$aside"
"""

# The old ledger is kept: it holds the key.
GIVE_UP = r"""
set -e
mkdir -p "$1"
: >"$1/given-up"
kind "$1/ledger.json"
[ "$kind" = nothing ] || mv "$1/ledger.json" "$1/ledger.retired.json"
rm -rf "$1/snapshot"
say retired
"""

# What a rollback could use: the segments in the snapshot, or else those that are still in the repository.
SEGMENTS = r"""
repo=$1 led=$2
kind "$led/snapshot/data" || exit 1
if [ "$kind" = folder ]; then
  say linked
  part segments find "$led/snapshot/data" -type f
else
  kind "$repo/data" || exit 1
  [ "$kind" != folder ] || part segments find "$repo/data" -type f
fi
"""

# The nonce is never lowered: what was encrypted since must not share its counter with what will be. 16 hex digits, $1
# being that of the ledger.
# committed SEGMENT: a commit that stands alone in its segment is always the same, and written anew if it is damaged.
_WHOLE = r"""
committed() {
  kind "$1"
  [ "$kind" != file ] || [ "$(wc -c <"$1")" -le 17 ] || return 0
  mkdir -p "${1%/*}"
  printf 'BORG_SEG\100\364\074\045\011\000\000\000\002' >"$1.new"
  mv -f "$1.new" "$1"
}
nonce() {
  nonce=
  kind "$1" || exit 1
  [ "$kind" = file ] || return 0
  nonce=$(head -c 16 "$1")
  case $nonce in *[!0-9a-f]*) nonce= ;; ????????????????) ;; *) nonce= ;; esac
}
highest() {
  highest=$1
  shift
  for _nonce; do
    nonce "$_nonce"
    [ -n "$nonce" ] || continue
    [ -n "$highest" ] || highest=$nonce
    case $(expr "x$nonce" '>' "x$highest") in 1) highest=$nonce ;; 0) ;; *) exit 1 ;; esac
  done
}
"""

# Puts the snapshot back in the repository's place. The state found goes to "tampered" beside the ledger; with $4 it is
# not kept, for it is in Grace. $5 is the nonce of the ledger, $6 the segment that holds nothing but the last commit, if
# one does. With $7 borg has to rebuild its own records.
RESTORE_LINKED = (
    _WHOLE
    + r"""
repo=$1 led=$2
set -e
rm -rf "$led/restored"
cp -al "$led/snapshot" "$led/restored"
rm -f "$led/restored/linked"
[ -z "$7" ] || rm -f "$led/restored"/index.* "$led/restored"/hints.* "$led/restored"/integrity.*
if [ -n "$6" ]; then committed "$led/restored/$6"; fi
names=$(ls -a "$led/snapshot")
for f in $names; do
  case $f in
    README | config | nonce | transactions) rm -f "$led/restored/$f"; cp -p "$led/snapshot/$f" "$led/restored/$f" ;;
  esac
done
# The mark, the very ledger of this case, shows that an earlier attempt took the state found away already.
kind "$repo"
case $kind in
  nothing) ;;
  *) [ "$led/taken" -ef "$led/ledger.json" ] || { rm -rf "$led/tampered"; mv "$repo" "$led/tampered"; } ;;
esac
ln -f "$led/ledger.json" "$led/taken"
highest "$5" "$led/snapshot/nonce" "$led/tampered/nonce" "$repo/nonce"
if [ -n "$highest" ]; then
  printf %s "$highest" >"$led/restored/nonce.new"
  mv "$led/restored/nonce.new" "$led/restored/nonce"
fi
mkdir -p "${repo%/*}"
rm -rf "$repo"
mv "$led/restored" "$repo"
[ -z "$4" ] || rm -rf "$led/tampered"
say restored
"""
)

# Where there is no snapshot with hard links: removes what came after the last transaction $3, and puts the config from
# standard input in place. Borg rebuilds index and hints.
RESTORE_UNLINKED = (
    _WHOLE
    + r"""
repo=$1 led=$2 last=$3
set -e
cd "$repo"
rm -rf lock.roster lock.exclusive index.* hints.* integrity.*
found=$(find data -type f)
set -f
for f in $found; do
  n=${f##*/}
  case $n in *[!0-9]*) n=$((last + 1)) ;; esac
  [ "$n" -le "$last" ] || rm -f "$f"
done
set +f
if [ -n "$6" ]; then committed "$6"; fi
highest "$5" "$led/snapshot/nonce" nonce
if [ -n "$highest" ]; then
  printf %s "$highest" >"$led/nonce.new"
  [ ! -d nonce ] || rm -rf nonce
  mv -f "$led/nonce.new" nonce
fi
rm -rf config.new
cat >config.new
rm -rf config
mv config.new config
say restored
"""
)
