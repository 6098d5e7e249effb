"""The shell scripts that change what lies on the backup server: ledger, snapshot, Grace, and the way back.

Every file that they replace is replaced by rename. The folder of a ledger lies where no session of a target can reach
it.
"""

from __future__ import annotations

from .scripts_lock import RESERVES
from .scripts_read import SPACE

# replace FILE: puts standard input in the place of whatever lies there.
_REPLACE = r"""
replace() {
  rm -rf "$1.new"
  cat >"$1.new"
  [ ! -d "$1" ] || rm -rf "$1"
  mv -f "$1.new" "$1"
}
"""

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
# space. With another state as $from these numbers are not those of this repository. `discard STATE` removes one. Both
# say after each folder of segments, a thousand by default, that they go on.
_SAVE = r"""
discard() {
  for _each in "$1"/data/*; do
    rm -rf "$_each"
    on
  done
  rm -rf "$1"
}
save() {
  discard "$2.new"
  mkdir -p "$2.new"
  cd "$1"
  names=$(ls -a)
  links=yes r=0
  said=$(ln config "$2.new/linked" 2>&1) || r=$?
  case $r,$said in
    0,*) ;;
    1,*ross-device* | 1,*"not permitted"* | 1,*"ot supported"* | 1,*"not implemented"* | 1,*"oo many links"*) links= ;;
    *) printf '%s\n' "$said" >&2; exit 1 ;;
  esac
  if [ -n "$links" ]; then
    mkdir "$2.new/data"
    for d in data/*; do
      [ ! -e "$d" ] || cp -al "$d" "$2.new/data/"
      on
    done
    [ "$from" != "$repo" ] || [ "$beyond" -eq 0 ] || find "$2.new/data" -type f | while read -r f; do
      [ "${f##*/}" -le "$last" ] || rm -f "$f"
    done 2>/dev/null
    set -f
    for f in $names; do
      case $f in index.* | hints.* | integrity.*) ln "$f" "$2.new/$f" ;; esac
    done
  fi
  set -f
  for f in $names; do
    case $f in README | config | nonce | transactions) cp -p "$f" "$2.new/$f" ;; esac
  done
  set +f
}
"""

# Writes the ledger from standard input. $3: "make" a snapshot first, "keep" what there is, "drop" it afterwards; with
# any other word the snapshot is made of the state in Grace that has this name. $4 is the folder of ids, $5 the
# repository's. $6 is the name under which the present state is kept in Grace, with the ledger that it has until now;
# what is older than $7 is dropped there. $8 is the last transaction, $9 how many segments lie above it.
WRITE = (
    _IDS
    + _SAVE
    + _REPLACE
    + RESERVES
    + SPACE
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
    discard "$led/snapshot"
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
  fi
  rm -rf "$led/grace/$grace.new"
fi
make_ids "$ids"
if [ ! -s "$ids/$id" ]; then printf '%s\n' "$led" | replace "$ids/$id"; fi
sync "$led/ledger.new" 2>/dev/null || :
mv "$led/ledger.new" "$led/ledger.json"
rm -f "$led/given-up"
if [ "$snapshot" = drop ]; then
  discard "$led/snapshot"
  rm -f "$led/taken"
  make_reserve "${ids%/*}/reserve"
fi
if [ -n "$oldest" ]; then
  for old in "$led"/grace/*; do
    case $(expr "x${old##*/}" '<' "x$oldest") in 1) discard "$old" ;; esac
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

# Has borg begin a check of the repository $1 anew: its config remembers how far one came.
CHECK_ANEW = r"""
set -e
cd "$1"
cp -p config config.new
sed '/^last_segment_checked *[=:]/d' config >config.new
mv config.new config
say anew
"""

# Reports which of the host keys from $4 on other targets have: folder $1 has a file KEY.TAG for each key of a target.
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
MOVE = (
    _REPLACE
    + r"""
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
printf '%s\n' "$new" | replace "$ids/$id"
say moved
"""
)

# Moves what a `borg init` left that was cut off from the place of a repository $1 to a folder beside the ledger. It is
# that when it has nothing but files that borg makes, and no commit: at most an empty list of archives in one segment
# (530 bytes with 1.2.4 and 1.4.5), and less than a commit (17 bytes) in the next one. Anything else stays.
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

# committed SEGMENT: a commit that is alone in its segment is always the same, and written anew if it is damaged.
# nonce FILE NUMBER FILES...: writes the highest. It is never lowered: what was encrypted since must not share its
# counter with what will be. It has 16 hex digits; NUMBER is that of the ledger.
_WHOLE = (
    _REPLACE
    + r"""
committed() {
  [ -n "$1" ] || return 0
  kind "$1"
  [ "$kind" != file ] || [ "$(wc -c <"$1")" -le 17 ] || return 0
  mkdir -p "${1%/*}"
  printf 'BORG_SEG\100\364\074\045\011\000\000\000\002' | replace "$1"
}
nonce() {
  to=$1 highest=$2
  shift 2
  for file; do
    kind "$file"
    [ "$kind" = file ] || continue
    found=$(head -c 16 "$file")
    case $found in *[!0-9a-f]*) continue ;; ????????????????) ;; *) continue ;; esac
    case $(expr "x$found" '>' "x$highest") in 1) highest=$found ;; 0) ;; *) exit 1 ;; esac
  done
  if [ -n "$highest" ]; then printf %s "$highest" | replace "$to"; fi
}
"""
)

# Puts the snapshot back in the repository's place. The state found goes to "tampered" beside the ledger; with $4 it is
# not kept, for it is in Grace. $5 is the nonce of the ledger, $6 the segment that holds nothing but the last commit, if
# one does. With $7 borg has to rebuild its own records.
RESTORE_LINKED = (
    _WHOLE
    + _SAVE
    + r"""
repo=$1 led=$2 from=$2/snapshot restored=$2/restored.new
set -e
save "$from" "$led/restored"
[ -n "$links" ] || { printf '%s\n' "$said" >&2; exit 1; }
rm -f "$restored/linked"
[ -z "$7" ] || rm -f "$restored"/index.* "$restored"/hints.* "$restored"/integrity.*
committed "${6:+$restored/$6}"
# The mark, the very ledger of this case, shows that an earlier attempt took the state found away already.
kind "$repo"
case $kind in
  nothing) ;;
  *) [ "$led/taken" -ef "$led/ledger.json" ] || { rm -rf "$led/tampered"; mv "$repo" "$led/tampered"; } ;;
esac
ln -f "$led/ledger.json" "$led/taken"
nonce "$restored/nonce" "$5" "$from/nonce" "$led/tampered/nonce" "$repo/nonce"
mkdir -p "${repo%/*}"
rm -rf "$repo"
mv "$restored" "$repo"
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
committed "$6"
replace config
nonce nonce "$5" "$led/snapshot/nonce" nonce
say restored
"""
)
