"""All targets, side by side: at most `Jobs` at a time, each one's failure its own, and an end that can be asked for."""

from .connected import connected, target_named
from .run import Interrupt, run

__all__ = ["Interrupt", "connected", "run", "target_named"]
