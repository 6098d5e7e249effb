"""A host whose account has another login shell: sshd takes it from passwd, and this machine's own stays as it is.

Needs root: the host's server has a mount namespace of its own, in which /etc/passwd and /etc/shells are others.
"""

import os
import shutil
from pathlib import Path

import pytest

from lab import Spot

# The login shells, as the Debian packages name them, and the path of each. busybox is its `ash`, by a link: it runs
# what it is called by.
SHELLS = {
    "dash": "/bin/dash",
    "bash": "/bin/bash",
    "ksh": "/bin/ksh93",
    "zsh": "/bin/zsh",
    "fish": "/usr/bin/fish",
    "tcsh": "/bin/tcsh",
    "csh": "/bin/bsd-csh",
    "busybox": "",
}
_ALONE = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/shells && shift 2 && exec "$@"'


def needs_shells(*names: str) -> None:
    """Skip the test where these shells, or another passwd, cannot be had; where CI is set, that is a failure."""
    missing = [name for name in names if not shutil.which(SHELLS[name] or name)]
    if os.getuid() == 0 and not missing:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must run as root, and have {', '.join(missing) or 'every shell'}: `make test` installs it")
    pytest.skip(f"needs root, and {', '.join(missing)}")


def login_shell(folder: Path, shell: str, *, home: str = "/root") -> tuple[str, ...]:
    """Return the `prefix` of a Spot where root's login shell is the program `shell`. `folder` is for its files."""
    passwd, shells = folder / "passwd", folder / "shells"
    (_, *others) = Path("/etc/passwd").read_text().splitlines(keepends=True)
    passwd.write_text(f"root:x:0:0:root:{home}:{shell}\n{''.join(others)}")
    shells.write_text(f"{shell}\n")
    return ("unshare", "--mount", "sh", "-c", _ALONE, "sh", str(passwd), str(shells))


def spot_with_shell(name: str, folder: Path, shell: str, *, sshd_lines: tuple[str, ...] = ()) -> Spot:
    """Return a host of this name whose login shell is one of SHELLS. The new `folder` is for its files."""
    folder.mkdir()
    path = SHELLS[shell]
    if not path:
        (folder / "ash").symlink_to(shutil.which(shell) or shell)
        path = str(folder / "ash")
    return Spot(name=name, prefix=login_shell(folder, path), sshd_lines=sshd_lines)
