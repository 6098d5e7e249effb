#!/bin/bash
# Writes dist/borgpull.cdx.json, the bill of materials in CycloneDX: borgpull and each Python package that it runs with,
# by version, licence and dependencies, as requirements/run.txt pins them. Borg, ssh and socat are the system's own.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

.venv/bin/python -m venv --without-pip "$work/venv"
# The packages of the last installation are in pip's cache, and only what has the hash is taken.
.venv/bin/pip --python "$work/venv/bin/python" install --quiet --disable-pip-version-check \
    --require-hashes -r requirements/run.txt
mkdir -p dist
version=$(.venv/bin/python -c 'import borgpull; print(borgpull.__version__)')
.venv/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-format JSON \
    "$work/venv/bin/python" | jq --arg version "$version" '.metadata.component.version = $version' >dist/borgpull.cdx.json
