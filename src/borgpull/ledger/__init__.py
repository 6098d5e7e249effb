"""What is known of a repository, kept on B out of T's reach: evidence, phase, snapshot, and the way back.

Decides nothing: it stores what was verified, and shows what is there now.
"""

from .record import Ledger, Phase
from .store import Found, Place, await_serve, held, look, place_of, restore, retire, segments, serve_state, write
from .survey import Surveyed, survey

__all__ = [
    "Found",
    "Ledger",
    "Phase",
    "Place",
    "Surveyed",
    "await_serve",
    "held",
    "look",
    "place_of",
    "restore",
    "retire",
    "segments",
    "serve_state",
    "survey",
    "write",
]
