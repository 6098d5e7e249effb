"""One target, from connecting to compacting: the steps in their order, each told to those who watch."""

from .archives import Shelf, each_item, no_such_path, shelf_of
from .backup import back_up, connected_target
from .by_hand import ByHand, Left
from .drill import drill
from .escrow import file_key, paper_key
from .grace import begin_return, drop_grace, kept_at, kept_states, state_at
from .holding import expect, held_case, release
from .judge import keep
from .moved import follow_moved
from .plan import Plan, Subject
from .restore import Wanted, restore
from .room import Claim, Room
from .settlement import Case, Settlement
from .upkeep import explained
