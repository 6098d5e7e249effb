"""Whole distributions as hosts: a tree that debootstrap makes, and an sshd, a borg and a socat of its own in it."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Spot

PACKAGES = ("openssh-server", "borgbackup", "socat")
# The lab lies where it lies outside of the tree; sshd is told of it by its last word, LAB/HOST/sshd_config.
_ENTER = """\
tree=$1
shift
for last; do :; done
lab=${last%/*/*}
mkdir -p /run/sshd
for place in /proc /sys /dev /run; do mount --rbind "$place" "$tree$place" || exit; done
[ -e "$tree$lab" ] || { mkdir -p "$tree$lab" && mount --bind "$lab" "$tree$lab"; } || exit
exec chroot "$tree" "$@"
"""


def _mirror() -> str:
    """Return where this machine's apt gets Debian from."""
    wanted = ("Created-By: Packages", "Origin: Debian", "Component: main")
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0]


class Distributions:
    """The trees that were made so far, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tree(self, release: str) -> Path:
        """Return the tree of a release of Debian; make it if need be. Fails when the archive does not have it."""
        tree = self._folder / release
        if not tree.exists():
            made = self._folder / f"{release}.new"
            argv = [
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                release,
                str(made),
                _mirror(),
            ]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            made.rename(tree)
        return tree

    def spot(self, name: str, release: str) -> Spot:
        """Return a host that lives in the tree of a release."""
        prefix = ("unshare", "--mount", "sh", "-c", _ENTER, "sh", str(self.tree(release)))
        return Spot(name=name, prefix=prefix)

    def said(self, release: str, *argv: str) -> str:
        """Run a program in the tree of a release; return what it printed."""
        done = subprocess.run(
            ["chroot", str(self.tree(release)), *argv], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()


@contextlib.contextmanager
def distributions() -> Iterator[Distributions]:
    """Make a folder for trees, and remove it at the end; no mount of a host is visible outside of it."""
    if os.getuid() != 0:
        pytest.skip("needs root, to make a distribution")
    assert shutil.which("debootstrap"), "there is no debootstrap: `make test` installs it"
    with tempfile.TemporaryDirectory(prefix="bpdebian-", dir="/var/tmp") as folder:
        yield Distributions(Path(folder))
