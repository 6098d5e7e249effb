"""One target, from connecting to compacting: the steps in their order, each told to those who watch."""

from .backup import back_up, connected_target
from .escrow import file_key, paper_key
from .plan import Plan, Subject
from .settlement import Case, Settlement

__all__ = ["Case", "Plan", "Settlement", "Subject", "back_up", "connected_target", "file_key", "paper_key"]
