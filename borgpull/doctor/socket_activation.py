"""B where it gives no shell: does a `borg serve` answer behind each socket? And StateDir on C, where ledgers are kept.

No repository is opened and nothing written; a serve that was asked for its version ends at once.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .. import ssh
from ..config import Config, Target
from ..errors import Failure
from ..transport import forwarded_socket, no_serve_answers, probe_serve
from .checks import Checks

SOCKET_ROWS = ("connect", "AppendSocket", "FullSocket", "not seen")
STATE_ROWS = ("StateDir",)
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_HINT = "StateDir has to be a folder that this user can write to, kept between runs"


async def check_socket_activation(
    checks: Checks, master: ssh.Master, config: Config, targets: tuple[Target, ...], at: Path
) -> None:
    """Ask behind both sockets of each target; findings go to `sheet`. `at` is private and on a tmpfs."""
    for row, append_only in (("AppendSocket", True), ("FullSocket", False)):
        with checks.attempt(row):
            sockets = [config.socket_of(target, append_only=append_only) for target in targets]
            versions = {await _version(master, socket, at) for socket in sockets}
            checks.ok(row, f"borg {', '.join(sorted(versions))} answers for each target")
    checks.note(
        "not seen", "without a shell: free space there, quotas, what its serves may do, and the progress of check"
    )


async def _version(master: ssh.Master, there: str, at: Path) -> str:
    async with forwarded_socket(master, there, at) as place:
        greeting = await probe_serve(place)
    if greeting is None:
        raise no_serve_answers(master.party, there)
    return greeting.version


def check_local_state(checks: Checks, folder: Path) -> None:
    with checks.attempt("StateDir"):
        there = next(place for place in (folder, *folder.parents) if place.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise Failure(checks.party, f"{there} is no folder that this user can write to", hint=_HINT)
        if there != folder:
            checks.ok("StateDir", f"the first run makes {folder}; it has to be kept, it holds the only ledgers")
        elif folder.stat().st_mode & _FOR_OTHERS:
            checks.warn("StateDir", f"others can look into {folder}", f"chmod 700 {folder}")
        else:
            checks.ok("StateDir", str(folder))
