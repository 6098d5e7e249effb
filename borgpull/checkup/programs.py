"""The programs that C itself needs, and the packages that they come in."""

from __future__ import annotations

import shutil

from ..errors import CONTROLLER, Failure

_PACKAGES = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "borg": "borgbackup", "socat": "socat"}


def require(program: str) -> None:
    """See that a program is installed. Raises Failure, naming the package."""
    if shutil.which(program) is None:
        raise Failure(
            CONTROLLER, f"{program} is not installed on this machine", hint=f"apt install {_PACKAGES[program]}"
        )
