"""Which Borg somebody has, and whether borgpull can work with it. What it says of itself is hostile text."""

from __future__ import annotations

import re

from ..errors import BACKUP_SERVER, CONTROLLER, Failure
from ..hostile import clean
from .failure import borg_setting

_VERSION = re.compile(r"borg ([0-9]{1,3})\.([0-9]{1,3})([0-9A-Za-z.+-]{0,20})", re.ASCII)
_OLDEST, _NEXT = (1, 2), (2, 0)
WORKING = "borg 1.2 or 1.4"


def read_version(party: str, text: str) -> str:
    """Return the version in what `borg --version` printed. Raises Failure when it is none that works here."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        said = f": {clean(text, longest=80)}" if text.strip() else ""
        raise Failure(
            party,
            f"its borg does not say its version{said}",
            hint=f"type `borg --version` {_where(party)}; {WORKING} is needed",
        )
    version = f"{found[1]}.{found[2]}{found[3]}"
    if not _OLDEST <= (int(found[1]), int(found[2])) < _NEXT:
        why = "makes another kind of repository" if int(found[1]) >= _NEXT[0] else "is too old"
        raise Failure(party, f"its borg {version} {why}", hint=f"install {WORKING}{borg_setting(party)}")
    return version


def _where(party: str) -> str:
    return {CONTROLLER: "on this machine", BACKUP_SERVER: "on B"}.get(party, "there")
