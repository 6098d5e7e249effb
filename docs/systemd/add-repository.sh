#!/bin/sh
# add-repository.sh ROOT SUBDIR OWNER ACCOUNT [FOLDER]: lets borgpull reach the repository ROOT/SUBDIR through two sockets.
#
# OWNER owns the repositories, ACCOUNT is the one that borgpull logs in as; they should be two. Writes four units for the
# repository to FOLDER (/etc/systemd/system), a socket and a service for T's sessions and one of each for borgpull's own.
set -eu
root=${1%/} subdir=$2 owner=$3 account=$4 folder=${5:-/etc/systemd/system}
case $root/$subdir in
*[!A-Za-z0-9._/@:+-]* | *//* | */../* | */) echo "add-repository: write the units for this path by hand" >&2; exit 1 ;;
/*) ;;
*) echo "add-repository: ROOT is no absolute path" >&2; exit 1 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
name=$(systemd-escape --path "/$subdir")

# A backslash in a name of systemd's is one in sed's replacement too.
write() { # KIND OPTIONS WRITABLE
  unit=borgpull-$1-$name
  said=$(printf %s "$name" | sed 's/\\/\\\\/g')
  for file in serve.socket serve@.service; do
    sed -e "s|@KIND@|$1|g; s|@OPTIONS@|$2|g; s|@WRITABLE@|$3|g; s|@NAME@|$said|g; s|@SUBDIR@|$subdir|g" \
      -e "s|@PATH@|$root/$subdir|g; s|@OWNER@|$owner|g; s|@ACCOUNT@|$account|g" \
      "$here/$file.in" >"$folder/$unit${file#serve}"
  done
  echo "systemctl enable --now '$unit.socket'"
}
echo "systemctl daemon-reload"
write append "--append-only" "$root/$subdir"
write full "--info" "$root"
