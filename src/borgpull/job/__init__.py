"""One target, from connecting to compacting: the steps in their order, each told to those who watch."""

from .backup import Plan, back_up

__all__ = ["Plan", "back_up"]
