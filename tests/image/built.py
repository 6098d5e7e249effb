"""Builds the image of the Dockerfile where no container engine runs: with buildah, on a base made by debootstrap."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import ROOT

RELEASE = "trixie"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_OURS = "localhost/borgpull"
_BASE = "localhost/base"
# What Debian's slim images leave out as well, and their dpkg with them.
_SLIM = "\n".join(f"path-exclude /usr/share/{name}/*" for name in ("doc", "info", "locale", "man", "lintian"))


@dataclass(frozen=True)
class Image:
    """The image as it was built: what its Dockerfile set, its files, and the bytes that it has on top of its base."""

    settings: dict[str, Any]
    files: Path
    bytes_on_top: int


@contextlib.contextmanager
def image_built(folder: Path) -> Iterator[Image]:
    """Build the image below `folder`, and remove what that made at the end."""
    store = _Store(folder)
    try:
        _make_base(store)
        store.buildah(
            "bud", "--isolation", "chroot", *_machine(folder), "--build-arg", f"BASE={_BASE}", "-t", _OURS, ROOT
        )
        about = json.loads(store.buildah("inspect", "--type", "image", _OURS))
        container = store.buildah("from", _OURS)
        yield Image(
            settings=about["OCIv1"]["config"],
            files=Path(store.buildah("mount", container)),
            bytes_on_top=sum(layer["size"] for layer in json.loads(about["Manifest"])["layers"][1:]),
        )
    finally:
        store.buildah("rm", "--all")
        store.buildah("rmi", "--all", "--force")


@dataclass(frozen=True)
class _Store:
    folder: Path

    def buildah(self, command: str, *arguments: Any) -> str:
        places = ["--root", self.folder / "store", "--runroot", self.folder / "run", "--storage-driver", "vfs"]
        return said("buildah", *places, command, *arguments)


def said(*argv: Any) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{argv}: {done.stdout[-3000:]} {done.stderr[-3000:]}"
    return done.stdout.strip()


def _make_base(store: _Store) -> None:
    container = store.buildah("from", "scratch")
    files = Path(store.buildah("mount", container))
    said("debootstrap", "--variant=minbase", RELEASE, files, _mirror())
    (files / "etc/dpkg/dpkg.cfg.d/slim").write_text(_SLIM + "\n")
    said("rm", "-rf", *(files / "var" / name for name in ("lib/apt/lists", "cache/apt")))
    (files / "var/cache/apt/archives/partial").mkdir(parents=True)
    store.buildah("umount", container)
    store.buildah("commit", "--quiet", container, _BASE)
    store.buildah("rm", container)


def _mirror() -> str:
    """Return where this machine's apt gets Debian from."""
    wanted = ("Created-By: Packages", "Origin: Debian", "Component: main")
    return said("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).splitlines()[0]


def _machine(folder: Path) -> list[str]:
    """Return the mounts with which pip in the build trusts what this machine trusts; none of it stays in the image."""
    config = folder / "pip.conf"
    config.write_text("[global]\ncert = /etc/pip-certificates.pem\n")
    return [
        f"--volume={os.fspath(config)}:/etc/pip.conf:ro",
        f"--volume={os.fspath(CERTIFICATES)}:/etc/pip-certificates.pem:ro",
    ]
