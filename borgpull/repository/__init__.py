"""What the controller does with the repository of one target."""

from .archives import VerifiedArchives, archives_of, each_item, no_such_path
from .context import RunContext, TargetContext
from .evidence import verified_key
from .grace import begin_rollback, drop_grace, kept_at, kept_states, state_at
from .holds import expect, held_lines, odd_archives, open_ledger, release
from .maintenance import explained
from .moved import follow_moved
from .passthrough import Changes, Passthrough
from .recovery import Case, Recovery
from .session import connected_target
from .space import Claim, Room
