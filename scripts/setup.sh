#!/bin/bash
# Makes what is needed: `setup.sh run` to use borgpull from this folder, `setup.sh work` to test it as well,
# `setup.sh image` to test its container image too.
# On Debian and Ubuntu root gets missing packages installed; anybody else is told which. Quick when nothing is to do.
set -euo pipefail
cd "$(dirname "$0")/.."
for_what=${1:-run}
case $for_what in run | work | image) ;; *) echo "usage: scripts/setup.sh [run|work|image]" >&2 && exit 4 ;; esac
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { echo "setup: $*" >&2; }

newest_python() { # the newest that is at least 3.11 and can make a virtual environment
    local name
    for name in python3.{20..11} python3 /usr/bin/python3; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

wanted() { # what this set-up was made from; other requirements or another kind make it anew
    echo "$1 $(cat pyproject.toml requirements/*.txt | cksum)"
}

is_made() { # is_made run|work: .venv is up to date for it, and its Python still there; `work` is good for `run`
    grep -qsxF -e "$(wanted "$1")" -e "$(wanted work)" .venv/made && .venv/bin/python -c '' 2>/dev/null
}

borg_14_is_made() { .venv-borg14/bin/borg --version >/dev/null 2>&1; }

missing_packages() {
    if [ "$for_what" = image ]; then
        for_what=work missing_packages
        command -v buildah >/dev/null || echo buildah
        command -v runc >/dev/null || echo runc
        return
    fi
    command -v sshd >/dev/null || echo openssh-server
    command -v ssh >/dev/null || echo openssh-client
    command -v borg >/dev/null || echo borgbackup
    command -v socat >/dev/null || echo socat
    is_made "$for_what" || newest_python >/dev/null || echo python3-venv
    [ "$for_what" = work ] || return 0
    command -v ip >/dev/null || echo iproute2
    command -v jq >/dev/null || echo jq
    command -v sudo >/dev/null || echo sudo
    command -v busybox >/dev/null || echo busybox
    command -v debootstrap >/dev/null || echo debootstrap
    command -v zsh >/dev/null || echo zsh
    command -v fish >/dev/null || echo fish
    [ -e /bin/ksh93 ] || echo ksh93u+m
    [ -e /bin/bsd-csh ] || echo csh
    command -v tcsh >/dev/null || echo tcsh
    command -v dropbear >/dev/null || echo dropbear-bin
    command -v groff >/dev/null || echo groff-base
    command -v age >/dev/null || echo age
    command -v systemd-analyze >/dev/null || echo systemd
    command -v gcc >/dev/null || echo gcc
    [ -e /usr/include/stdio.h ] || echo libc6-dev
    borg_14_is_made || missing_to_build_borg
}

missing_to_build_borg() {
    local python
    python=$(newest_python) || echo python3-venv
    command -v pkg-config >/dev/null || echo pkg-config
    [ -e /usr/include/sys/acl.h ] || echo libacl1-dev
    [ -e /usr/include/openssl/evp.h ] || echo libssl-dev
    [ -e /usr/include/lz4.h ] || echo liblz4-dev
    [ -e /usr/include/zstd.h ] || echo libzstd-dev
    [ -e /usr/include/xxhash.h ] || echo libxxhash-dev
    has_headers "$python" || echo python3-dev
}

has_headers() {
    [ -n "$1" ] && [ -e "$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]
}

install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "missing: $*"
        say "on Debian or Ubuntu: sudo apt-get install $*"
        exit 1
    fi
    say "installing $*"
    keep_services_off
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o DPkg::Lock::Timeout=120 update
    apt-get -qq -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@" >/dev/null
}

keep_services_off() { # the sshd program is needed, its service is not
    local policy=/usr/sbin/policy-rc.d
    [ -e $policy ] && return
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
}

make_venv() { # make_venv FOLDER
    local folder=$1 python
    python=$(newest_python) || { say "there is no Python 3.11 or newer that can make a virtual environment" && exit 1; }
    say "making $folder"
    rm -rf "$folder"
    "$python" -m venv "$folder"
}

install() { # install FOLDER PIP_ARGUMENTS...
    "$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
}

make_borgpull() { # make_borgpull run|work: what is not in requirements/ by its hash is not installed
    local broken
    make_venv .venv
    install .venv --require-hashes -r "requirements/$1.txt" -r requirements/build.txt
    install .venv --no-deps --no-build-isolation -e .
    broken=$(.venv/bin/pip check) || { say "$broken; requirements/ is older than pyproject.toml: make lock" && exit 1; }
}

exec 9<scripts/setup.sh
flock 9 # `make -j` starts this more than once

mapfile -t missing < <(missing_packages | sort -u)
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
[ "$for_what" != image ] || for_what=work

if ! is_made "$for_what"; then
    make_borgpull "$for_what"
    wanted "$for_what" >.venv/made
fi
if [ "$for_what" = work ] && ! borg_14_is_made; then
    make_venv .venv-borg14
    install .venv-borg14 'borgbackup==1.4.*'
fi
