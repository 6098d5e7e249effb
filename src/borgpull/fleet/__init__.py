"""All targets, side by side: at most `Jobs` at a time, each one's failure its own, and an end that can be asked for."""

from .run import Interrupt, run

__all__ = ["Interrupt", "run"]
