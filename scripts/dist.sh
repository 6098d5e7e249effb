#!/bin/bash
# Builds wheel and sdist of the last commit into dist/: the same commit gives the same bytes, whoever builds it and when.
# What is not committed is not in them.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git archive HEAD | tar -x -C "$work"
mkdir -p dist
rm -f dist/*.whl dist/*.tar.gz
.venv/bin/python -m build --quiet --no-isolation --outdir dist "$work"
cd dist
sha256sum -- *.whl *.tar.gz
