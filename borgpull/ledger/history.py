"""How the runs of a repository ended, and what an operator decided: a small file each, beside the ledger.

Written without the lock of the repository, also by a run that did not get it. Two writers at once lose nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
from dataclasses import asdict, dataclass, field

from pydantic import TypeAdapter

from .record import Clean, Seconds

# A year of nights, and some.
MOST_KEPT = 400
# How many of the newest `status` looks at.
MOST_READ = 8
_LONGEST = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry: `what` is "run", or the command by which an operator decided; `at` is in unix seconds.

    `outcome` is a run's, or empty; `cause` says why it failed, or what was decided, `hint` what to do. `created` says
    that the run came as far as `borg create`.
    """

    what: Clean
    outcome: Clean = ""
    cause: Clean = ""
    hint: Clean = ""
    created: bool = False
    controller: Clean = field(default_factory=socket.gethostname)
    at: Seconds = field(default_factory=time.time)

    @property
    def file(self) -> str:
        """Return a unique name for its file; such names sort by time."""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self.at))}-{secrets.token_hex(4)}"

    def dump(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


_ENTRY = TypeAdapter(Entry)


def read_history(text: bytes) -> tuple[Entry, ...]:
    """Read entries, one per line; leave out what is none."""
    entries = []
    for line in text[-_LONGEST:].splitlines():
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            # Who wrote it and when is never left to the defaults, which are of a new one.
            entries.append(_ENTRY.validate_python({"controller": None, "at": None} | json.loads(line)))
    return tuple(sorted(entries, key=lambda entry: entry.at))
