"""What is known of a repository, kept out of T's reach, on B or on C: evidence, phase, snapshot, and the way back.

Decides nothing: it stores what was verified, and shows what is there now.
"""

from .record import Ledger, Phase
from .state import StateVault, state_vault
from .store import Found, Place, place_of, restore, segments
from .vault import ServerVault, Surveyed, Vault

__all__ = [
    "Found",
    "Ledger",
    "Phase",
    "Place",
    "ServerVault",
    "StateVault",
    "Surveyed",
    "Vault",
    "place_of",
    "restore",
    "segments",
    "state_vault",
]
