"""All targets, side by side: at most `Jobs` at a time, each one's failure its own, and an end that can be asked for."""

from .doctor import examine
from .drill import drill
from .run import Interrupt, run
from .selection import Selection, Shard, read_shard, shard_of, target_named
from .servers import connected
from .status import status
