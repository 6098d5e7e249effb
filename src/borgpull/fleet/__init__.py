"""All targets, side by side: at most `Jobs` at a time, each one's failure its own, and an end that can be asked for."""

from .connected import connected, target_named, targets_named
from .doctor import examine
from .run import Interrupt, run
from .status import status

__all__ = ["Interrupt", "connected", "examine", "run", "status", "target_named", "targets_named"]
