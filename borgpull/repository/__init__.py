"""What the controller does with the repository of one target."""

from .archives import VerifiedArchives, archives_of, each_item, no_such_path
from .connected_target import connected_target, open_connection, open_target
from .context import RunContext, TargetContext
from .grace import begin_rollback, drop_grace, kept_at, kept_states, state_at
from .holds import expect, held_lines, odd_archives, open_ledger, release
from .inspection import verified_key
from .maintenance import explained
from .passthrough import Changes, Passthrough
from .recovery import Case, Recovery
from .relocation import follow_moved
from .space import Claim, Room
