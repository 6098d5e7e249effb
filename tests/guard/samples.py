"""Evidence made by hand, and the bytes that it could have been read from."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgpack

from borgpull.guard import Archive, Evidence, File

ID = "1f" * 32
KEY = "a2V5\nbW9yZQ=="
CONFIG = f"[repository]\nversion = 1\nappend_only = 0\nid = {ID}\nkey = {KEY}\nlast_segment_checked = 7\n".replace(
    "\nbW9y", "\n\tbW9y"
)
NONCE = "00000000000000ff"
MODIFIED = "2026-03-04T05:06:07.000000"


def archive(name: str, number: int = 1, start: str = "2026-03-01T00:00:00.000000") -> Archive:
    return Archive(name=name, id=f"{number:064x}", start=start)


def evidence(**changed) -> Evidence:
    """Evidence of a repository with two archives, its manifest in segment 8."""
    fields = {
        "repository_id": ID,
        "key": KEY,
        "settings": (("append_only", "0"), ("version", "1")),
        "transaction": 9,
        "live": MappingProxyType({2: 40, 6: 3, 8: 1, 9: 0}),
        "nonce": 255,
        "archives": frozenset({archive("a1", 1), archive("a2", 2)}),
        "last_modified": MODIFIED,
    }
    return Evidence(**fields | changed)


def hints(live: dict, compact: dict | None = None, **more) -> bytes:
    record = {"version": 2, "segments": live, "compact": compact or {}, "storage_quota_use": 5, "shadow_index": {}}
    return msgpack.packb(record | more, use_bin_type=False)


def plain(files: Mapping[str, bytes]) -> dict[str, File]:
    return {name: File(plain=True, data=data) for name, data in files.items()}


def whole_files(**changed: bytes) -> dict[str, File]:
    files = {"config": CONFIG.encode(), "nonce": NONCE.encode(), "hints_9": hints({2: 40, 6: 3, 8: 1, 9: 0}, {9: 9})}
    return plain({name.replace("_", "."): data for name, data in (files | changed).items()})


def listing(archives: Iterable[Archive], **changed) -> bytes:
    entries = [{"archive": a.name, "name": a.name, "id": a.id, "start": a.start, "time": a.start} for a in archives]
    record = {"archives": entries, "repository": {"id": ID, "last_modified": MODIFIED, "location": "x"} | changed}
    return json.dumps(record).encode()
