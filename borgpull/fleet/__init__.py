"""All targets, side by side: at most `Jobs` at a time, each one's failure its own, and an end that can be asked for."""

from .connection_pool import connected
from .doctor import examine
from .drill import drill
from .find import find
from .run import Interrupt, outlive_terminal, run
from .selection import Selection, Shard, read_shard, shard_of, target_named
from .status import status
