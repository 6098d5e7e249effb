"""What C itself must have installed."""

from __future__ import annotations

import shutil

from ..errors import CONTROLLER, Failure

_NEEDED = {"ssh": "openssh-client", "borg": "borgbackup", "socat": "socat"}


def require_programs() -> None:
    """See that ssh, borg and socat are installed. Raises Failure, naming the package."""
    for program, package in _NEEDED.items():
        if shutil.which(program) is None:
            raise Failure(CONTROLLER, f"{program} is not installed on this machine", hint=f"apt install {package}")
