"""All targets, side by side: at most `Jobs` at a time, each one's failure its own, and an end that can be asked for."""

from .connected import connected
from .doctor import examine
from .drill import drill
from .run import Interrupt, run
from .selection import Selection, target_named
from .shard import Shard, read_shard, shard_of
from .status import status

__all__ = [
    "Interrupt",
    "Selection",
    "Shard",
    "connected",
    "drill",
    "examine",
    "read_shard",
    "run",
    "shard_of",
    "status",
    "target_named",
]
