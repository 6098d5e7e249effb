"""The record of a repository, out of the target's reach: evidence, phase, snapshot, history, and the way back.

Decides nothing: it stores what was verified, and shows what is there now.
"""

from .history import Entry
from .local import LocalStore, local_store, store_of
from .record import MOST_COMPARED, Hold, Ledger, Note, Phase
from .server import FOLDER, Place, ServerStore, check_root, histories_of, place_in_grace, place_of
from .store import Found, RepositoryStatus, Space, Store, Written
