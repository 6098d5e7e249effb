"""What Borg 1.4.5 left of a repository with two archives, after a prune: config, nonce, hints and its list."""

import base64
import json

from borgpull.guard import Evidence, File, read_evidence
from borgpull.ledger import Ledger, Phase

ID = "1c21777534ef2c943eb1cfec26ed366106c0c74b041426dc53ba68158f051b37"
CONFIG = f"""\
[repository]
version = 1
segments_per_dir = 1000
max_segment_size = 524288000
append_only = 0
storage_quota = 0
additional_free_space = 0
id = {ID}
key = hqlhbGdvcml0aG2mc2hhMjU2pGRhdGHaAZ7KoAf32pUfj2WgucLz8s9Z+M0PDaqlvo3S48
\tGD5ePfxh7+1EPf4M3ultvSmW/OnMrpqbZfmpcXCQ2o5RBsBEhhjmvu1YqQu4TsFURDmODK
\tL29GMqNWL2qml0ZXJhdGlvbnPOAAGGoKRzYWx02gAgCNxaVrVCJDEFtRJOHOt4IifT8nwk
\tkFwuCA21hOdHiSWndmVyc2lvbgE=


""".encode()
NONCE = b"0000000050001d8e"
TRANSACTION = 17
HINTS = base64.b64decode(
    "had2ZXJzaW9uAqhzZWdtZW50c94AEgAAAQACAwMABAAFAAYDBwAIAAkACgMLAAwADQAOAA8AEAERAKdjb21wYWN0jwEJAM0C"
    "CgMpBQkEzQJKBykJCQjNAoILKQ0JAs0EIA5SDM0Ctg8pEQmxc3RvcmFnZV9xdW90YV91c2XOAAMoE6xzaGFkb3dfaW5kZXiD"
    "2gAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACUAAQIDNoAIF+mFD7/VOt2vN0ywbVu/Sluy2QA2MZM5E8rbfmU"
    "Ug8mkQLaACAxxAVruL1UOUtMdPLPKnYT8Z+9t+owPKVfjB+iHqMtIJEC"
)
LIVE = {segment: {2: 3, 6: 3, 10: 3, 16: 1}.get(segment, 0) for segment in range(18)}
FREEABLE = 3791
USED = 206_867
NAMES = {
    "snapshot-002": "6e5f68c8100aa079da1c2addf930eb631bb88a9a2ec1c7f9b60fc454f6afe151",
    "snapshot-003": "a6e1321fc81e896f4c2935d611a3a2ae4f0c1c890e65fb60b8c6418c605a0918",
}


def _listed(name: str, number: str) -> dict[str, str]:
    time = "2026-11-23T02:15:54.000000"
    return {"archive": name, "barchive": name, "id": number, "name": name, "start": time, "time": time}


LIST = json.dumps(
    {
        "archives": [_listed(*entry) for entry in NAMES.items()],
        "encryption": {"mode": "repokey-blake2"},
        "repository": {"id": ID, "last_modified": "2026-11-23T02:15:56.000000", "location": "ssh://B/b/repo"},
    },
    indent=4,
).encode()
RECORDS = {"config": CONFIG, "nonce": NONCE, f"hints.{TRANSACTION}": HINTS}
FILES = {name: File(plain=True, data=data) for name, data in RECORDS.items()}


def evidence() -> Evidence:
    """Return what C reads of all this."""
    return read_evidence(files=FILES, archives=LIST, segments=set(LIVE))


def ledger() -> Ledger:
    """Return a ledger of it, after a session that was judged badly."""
    rules = ("1 archive vanished: snapshot-001",)
    cause = "its repository was tampered with"
    return Ledger(
        phase=Phase.CLOSED,
        evidence=evidence(),
        archive="snapshot-2026-11-23T02:16:00",
        started=1795400160.25,
        cause=cause,
        rules=rules,
        size=40_000,
        files=3,
    )
