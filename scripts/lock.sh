#!/bin/bash
# Writes requirements/*.txt: every Python package by version and by the hash of each of its files, for 3.11 and later.
# What is locked stays as it is while pyproject.toml allows it; `scripts/lock.sh --upgrade` takes the newest of each.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile NAME UV_ARGUMENTS...
    # No index is recorded: which mirror is asked is a matter of the machine, the hashes say what may come from it.
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command 'make lock' --output-file "requirements/$1.txt" "${@:2}" >/dev/null
}

build_requires() {
    .venv/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])'
}

build_requires | compile build "$@" -
compile run "$@" --constraint requirements/build.txt pyproject.toml
compile work "$@" --constraint requirements/build.txt --constraint requirements/run.txt --extra work pyproject.toml
