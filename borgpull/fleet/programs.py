"""What C itself must have installed."""

from __future__ import annotations

from ..checkup.programs import require


def require_programs() -> None:
    """See that ssh, borg and socat are installed. Raises Failure, naming the package."""
    for program in ("ssh", "borg", "socat"):
        require(program)
