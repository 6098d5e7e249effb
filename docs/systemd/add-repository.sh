#!/bin/sh
# add-repository.sh ROOT SUBDIR OWNER ACCOUNT [FOLDER]: give borgpull two sockets to the repository ROOT/SUBDIR.
#
# OWNER owns the repositories; borgpull logs in as ACCOUNT, which should be another user. Writes four units for the repository to
# FOLDER (/etc/systemd/system): a socket and a service for sessions of targets, and one of each for the controller's own.
set -eu
root=${1%/} subdir=$2 owner=$3 account=$4 folder=${5:-/etc/systemd/system}
case $root/$subdir in
*[!A-Za-z0-9._/@:+-]* | *//* | */../* | */) echo "add-repository: write the units for this path by hand" >&2; exit 1 ;;
/*) ;;
*) echo "add-repository: ROOT must be an absolute path" >&2; exit 1 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
name=$(systemd-escape --path "/$subdir")

# systemd's names can contain backslashes, which sed would interpret in its replacement.
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
