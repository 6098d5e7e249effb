"""From a borg client, on T or on C, to a constrained `borg serve` on B: one context manager for each of the two.

Each road takes one connection, once. The bytes go from socket to ssh master without passing through Python.
"""

from .cache import drop_cache, forget_place, known_ids
from .controller import Ended, LocalBorg, Reader, borg_by_hand, borg_on_controller
from .errand import Backup, CacheRemoval, Dump, Errand, Extraction
from .first_leg import FirstLeg, first_leg
from .first_words import ask_seen
from .script import BORG_HOME
from .serve import BackupServer, Heard, Request, Root
from .sockets import greeted, led, silent
from .target import TargetSession, open_target
