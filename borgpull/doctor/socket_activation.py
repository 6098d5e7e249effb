"""A backup server that gives no shell: does a `borg serve` answer behind each of its sockets?

Opens no repository and writes nothing; a serve that was asked for its version ends at once.
"""

from __future__ import annotations

from pathlib import Path

from .. import ssh
from ..config import Config, Target
from ..transport import forwarded_socket, no_serve_answers, probe_serve
from .checks import Checks

SOCKET_ROWS = ("connect", "AppendSocket", "FullSocket", "not seen")


async def check_socket_activation(
    checks: Checks, master: ssh.Master, config: Config, targets: tuple[Target, ...], directory: Path
) -> None:
    """Connect to both sockets of each target. `directory` is the private one of this run."""
    for row, append_only in (("AppendSocket", True), ("FullSocket", False)):
        with checks.catching(row):
            sockets = [config.socket_of(target, append_only=append_only) for target in targets]
            versions = {await _version(master, socket, directory) for socket in sockets}
            checks.ok(row, f"borg {', '.join(sorted(versions))} answers for each target")
    checks.note(
        "not seen", "without a shell: free space there, quotas, what its serves may do, and the progress of check"
    )


async def _version(master: ssh.Master, remote: str, directory: Path) -> str:
    async with forwarded_socket(master, remote, directory) as local:
        greeting = await probe_serve(local)
    if greeting is None:
        raise no_serve_answers(master.party, remote)
    return greeting.version
