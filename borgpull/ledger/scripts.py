"""The shell scripts that run on B: look, keep, restore. They ask for nothing but sh, coreutils and tar.

$1 is the repository's folder, $2 the folder of its ledger, which no session of T can reach. Each prints one line a
fact, so that no text of B needs to be guessed at; every file replaced is replaced by rename.
"""

from __future__ import annotations

from ..ssh import FIND_SSHD, LIFELINE

# Tells whether the process of a connection still runs.
_ALIVE = r"""
alive() {
  kill -0 "$1" 2>/dev/null || return
  [ ! -e "/proc/$1/comm" ] || case $(cat "/proc/$1/comm") in sshd* | dropbear*) ;; *) false ;; esac
}
"""

# One run at a time: takes the lock, or says who holds it after $3 seconds. A lock belongs to the sshd process of C's
# connection, and is void when that is gone, or when it is of this very run $4: an attempt that could not unlock. For as
# long as it is held, that process is watched. A folder, because every file system can make one atomically. What keeps
# it from being made is said on standard error: by mkdir, touch or cat, for dash's echo names no cause.
LOCK = (
    LIFELINE
    + _ALIVE
    + r"""
led=$1 who=$2 patience=$3 run=$4
umask 077
owned() { [ "$(cat "$led/lock/owner")" = "$mine" ]; }
mkdir -p "$led" || exit 1
[ -w "$led" ] || touch "$led" || exit 1
n=0
until mkdir "$led/lock" 2>/dev/null; do
  [ -d "$led/lock" ] || { mkdir "$led/lock" && break; [ -d "$led/lock" ] || exit 1; }
  owner=$(cat "$led/lock/owner" 2>/dev/null)
  pid=${owner%% *}
  void=
  case $owner in
    "") [ "$n" -lt 10 ] || void=yes ;;
    *" $run,"*) void=yes ;;
    *) alive "$pid" || void=yes ;;
  esac
  if [ -n "$void" ]; then
    if mv "$led/lock" "$led/lock.$$" 2>/dev/null; then
      if [ "$(cat "$led/lock.$$/owner" 2>/dev/null)" = "$owner" ]; then rm -rf "$led/lock.$$"; continue; fi
      mv "$led/lock.$$" "$led/lock"
    fi
  fi
  [ "$n" -lt "$patience" ] || { echo "held ${owner#* }"; exit 0; }
  n=$((n + 1))
  sleep 1
done
mine="${sshd:-$PPID} $who"
if ! echo "$mine" | cat >"$led/lock/owner"; then rm -rf "$led/lock"; exit 1; fi
{ lifeline owned; } >/dev/null 2>&1 </dev/null &
echo taken
"""
)

UNLOCK = (
    FIND_SSHD
    + r"""
owner=$(cat "$1/lock/owner" 2>/dev/null)
[ "${owner%% *}" != "${sshd:-$PPID}" ] || rm -rf "$1/lock"
echo unlocked
"""
)

# Prints the state of T's `borg serve` as the kernel names it: T is stopped, D waits for a disk.
SERVE_STATE = r"""
sed -n 's/^State:[^A-Z]*\([A-Z]\).*/\1/p' "/proc/$(cat "$1/serve.pid")/status" 2>/dev/null
"""

# Waits for a `borg serve` of T's last session, $3 seconds; one that has not ended by then, or that somebody stopped, is
# killed: it may write no more, and what it did not commit is dropped by the next borg. It is recognised by pid and
# command line, for a pid may have come round again.
AWAIT_SERVE = r"""
repo=$1 led=$2 patience=$3
if [ -f "$led/serve.pid" ]; then
  p=$(cat "$led/serve.pid") n=0
  while kill -0 "$p" 2>/dev/null && tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q ' serve '; do
    [ "$n" -lt "$((patience + 5))" ] || { echo "serving $p"; echo; exit 0; }
    if [ "$n" -ge "$patience" ] || grep -q '^State:[^A-Z]*T' "/proc/$p/status"; then kill -KILL "$p"; fi
    n=$((n + 1))
    sleep 1
  done
fi
"""

# After that, prints what there is: a header of lines, an empty line, the
# ledger, and a tar. Of hints only the first $4 bytes are of use: their shadow index grows with each object ever pruned.
LOOK = (
    AWAIT_SERVE
    + r"""
most=$4
if [ -e "$repo" ] || [ -L "$repo" ]; then echo repository; fi
if [ -d "$led/snapshot" ]; then echo snapshot; fi
if [ -f "$led/ledger.json" ]; then echo "ledger $(wc -c <"$led/ledger.json")"; fi
cd "$repo" 2>/dev/null || repo=
[ -z "$repo" ] || echo "segments" $(find data -type f 2>/dev/null | sed 's|.*/||' | grep -x '[0-9][0-9]*')
echo
cat "$led/ledger.json" 2>/dev/null
[ -n "$repo" ] || exit 0
set --
cut=
for f in config nonce hints.*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  set -- "$@" "$f"
  [ ! -f "$f" ] || [ -L "$f" ] || [ "$(wc -c <"$f")" -le "$most" ] || cut=$led/cut
done
[ "$#" -ne 0 ] || exit 0
[ -n "$cut" ] || exec tar -cf - -- "$@"
umask 077
rm -rf "$cut"
mkdir -p "$cut"
for f do
  if [ -f "$f" ] && [ ! -L "$f" ]; then head -c "$most" "$f" >"$cut/$f"; else mkdir "$cut/$f"; fi
done
tar -C "$cut" -cf - -- "$@"
rm -rf "$cut"
"""
)

# Prints what can be seen without opening the repository: a line a fact, an empty line and the ledger. It takes no lock
# and waits for nobody. What takes its time comes first, so that lock, transaction and ledger are those of one moment.
SURVEY = (
    _ALIVE
    + r"""
repo=$1 led=$2
if [ -e "$repo" ] || [ -L "$repo" ]; then
  echo repository
  echo "kilobytes $(du -sk -- "$repo" 2>/dev/null | cut -f 1)"
fi
owner=$(cat "$led/lock/owner" 2>/dev/null)
[ -z "$owner" ] || ! alive "${owner%% *}" || echo "held ${owner#* }"
for f in "$repo"/hints.*; do [ ! -f "$f" ] || echo "transaction ${f##*.}"; done
[ ! -f "$led/ledger.json" ] || echo ledger
echo
cat "$led/ledger.json" 2>/dev/null
:
"""
)

# Writes the ledger from standard input. $3: "make" a snapshot first, "keep" what there is, "drop" it afterwards.
# Segments are written once and removed by unlink, so a hard link keeps them; what borg rewrites in place is copied.
WRITE = r"""
repo=$1 led=$2 snapshot=$3
set -e
umask 077
mkdir -p "$led"
cat >"$led/ledger.new"
if [ "$snapshot" = make ]; then
  rm -rf "$led/snapshot.new"
  mkdir "$led/snapshot.new"
  cd "$repo"
  if ln config "$led/snapshot.new/linked" 2>/dev/null; then
    cp -al data "$led/snapshot.new/data"
    for f in index.* hints.* integrity.*; do [ ! -f "$f" ] || ln "$f" "$led/snapshot.new/$f"; done
  else
    echo no-links
  fi
  for f in README config nonce transactions; do [ ! -f "$f" ] || cp -p "$f" "$led/snapshot.new/$f"; done
  rm -rf "$led/snapshot"
  mv "$led/snapshot.new" "$led/snapshot"
  echo "kilobytes $(du -sk "$repo" | cut -f 1)"
fi
sync "$led/ledger.new" 2>/dev/null || :
mv "$led/ledger.new" "$led/ledger.json"
[ "$snapshot" != drop ] || rm -rf "$led/snapshot"
rm -f "$led/serve.pid"
echo written
"""

# The old ledger is kept: it holds the key.
RETIRE = r"""
mv "$1/ledger.json" "$1/ledger.retired.json" && rm -rf "$1/snapshot" && echo retired
"""

# Prints what a rollback could use: the segments in the snapshot, or else those that are still in the repository.
SEGMENTS = r"""
repo=$1 led=$2
if [ -d "$led/snapshot/data" ]; then
  echo linked
  cd "$led/snapshot/data"
else
  echo unlinked
  cd "$repo/data" 2>/dev/null || exit 0
fi
find . -type f | sed 's|.*/||'
"""

# The nonce is never lowered: what was encrypted since must not share its counter with what will be. 16 hex digits.
_NONCE = r"""
highest() { printf '%s\n%s\n' "$(head -c 16 "$1" 2>/dev/null)" "$(head -c 16 "$2" 2>/dev/null)" |
  grep -x '[0-9a-f]\{16\}' | LC_ALL=C sort | tail -n 1 | tr -d '\n'; }
"""

# Puts the snapshot back in the repository's place. The state found goes to "tampered" beside the ledger.
RESTORE_LINKED = (
    _NONCE
    + r"""
repo=$1 led=$2
set -e
umask 077
rm -rf "$led/restored"
cp -al "$led/snapshot" "$led/restored"
rm -f "$led/restored/linked"
for f in README config nonce transactions; do
  [ ! -f "$led/snapshot/$f" ] || { rm -f "$led/restored/$f"; cp -p "$led/snapshot/$f" "$led/restored/$f"; }
done
if [ -f "$repo/nonce" ] && [ ! -L "$repo/nonce" ]; then
  highest "$led/snapshot/nonce" "$repo/nonce" >"$led/restored/nonce.new"
  [ ! -s "$led/restored/nonce.new" ] || mv "$led/restored/nonce.new" "$led/restored/nonce"
  rm -f "$led/restored/nonce.new"
fi
rm -rf "$led/tampered"
if [ -e "$repo" ] || [ -L "$repo" ]; then mv "$repo" "$led/tampered"; fi
mkdir -p "$(dirname "$repo")"
mv "$led/restored" "$repo"
echo restored
"""
)

# Where there is no snapshot with hard links: removes what came after the last transaction $3, and puts the config from
# standard input in place. Borg rebuilds index and hints.
RESTORE_UNLINKED = (
    _NONCE
    + r"""
repo=$1 led=$2 last=$3
set -e
umask 077
cd "$repo"
rm -rf lock.roster lock.exclusive index.* hints.* integrity.*
find data -type f | while IFS= read -r f; do
  n=${f##*/}
  case $n in *[!0-9]*) n=$((last + 1)) ;; esac
  [ "$n" -le "$last" ] || rm -f "$f"
done
highest "$led/snapshot/nonce" nonce >"$led/nonce.new"
[ ! -s "$led/nonce.new" ] || { rm -rf nonce; cp "$led/nonce.new" nonce; }
rm -f "$led/nonce.new"
rm -rf config.new
cat >config.new
rm -rf config
mv config.new config
echo restored
"""
)
