"""Evidence made by hand, and the bytes that it could have been read from."""

import io
import json
import tarfile
from collections.abc import Iterable
from types import MappingProxyType

import msgpack

from borgpull.guard import Archive, Evidence

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


def tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:") as archive_file:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive_file.addfile(member, io.BytesIO(data))
    return held.getvalue()


def whole_tar(**changed: bytes) -> bytes:
    files = {"config": CONFIG.encode(), "nonce": NONCE.encode(), "hints_9": hints({2: 40, 6: 3, 8: 1, 9: 0}, {9: 9})}
    return tar((name.replace("_", "."), data) for name, data in (files | changed).items())


def listing(archives: Iterable[Archive], **changed) -> bytes:
    entries = [{"archive": a.name, "name": a.name, "id": a.id, "start": a.start, "time": a.start} for a in archives]
    record = {"archives": entries, "repository": {"id": ID, "last_modified": MODIFIED, "location": "x"} | changed}
    return json.dumps(record).encode()
