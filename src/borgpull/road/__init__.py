"""From a borg client, on T or on C, to a constrained `borg serve` on B: one context manager for each of the two.

Each road takes one connection, once. The bytes go from socket to ssh master without passing through Python.
"""

from .controller import Ended, borg_on_controller
from .serve import BackupServer
from .target import Backup, Extraction, TargetSession, open_target

__all__ = ["Backup", "BackupServer", "Ended", "Extraction", "TargetSession", "borg_on_controller", "open_target"]
