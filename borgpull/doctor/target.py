"""A target: what a backup needs of it, asked by the preflight of a run, and the transport, tried from its borg to here.

What a target says is untrusted.
"""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path

from .. import ssh
from ..borg.command_lines import Repository, left_out
from ..borg.version import read_version
from ..config import Config, Target
from ..results import Mark
from ..retention import archive_name
from ..transport import CreateArchive, Preflight, TryTransport, ask_preflight, forward_socket
from ..transport.preflight import CLOCK_HINT, clock_words, some_of
from ..transport.target_borg import open_session, try_borg
from .checks import Checks, check_cipher, socat_version
from .repository import ROW as LEDGER

ROWS = ("connect", "shell", "borg", "socat", "tmp", "transport", "sources", "clock", LEDGER)
# More than the way to the target and back takes.
_CLOCK_WARNING = 90.0


@dataclass(frozen=True)
class _Context:
    target: Target
    repository: Repository


async def check_target(checks: Checks, master: ssh.Master, config: Config, target: Target, directory: Path) -> None:
    """Check the target over its connection. `directory` is the private one of this run."""
    repository = Repository(config.repository_path(target), config.repository_url(target))
    command = CreateArchive(_Context(target, repository), archive_name(0))
    with checks.catching("shell"):
        preflight = await ask_preflight(master, command, versions=True)
        checks.ok("shell", f"for {target.connection.username}")
        check_cipher(checks, preflight.facts, target.connection)
        with checks.catching("borg"):
            preflight.require_borg()
            checks.ok("borg", read_version(checks.party, preflight.facts.one("borg")))
        with checks.catching("socat"):
            preflight.require_socat()
            checks.ok("socat", socat_version(preflight.facts.one("socat")))
        _check_sources(checks, preflight)
        _check_clock(checks, preflight)
        with checks.catching("tmp"):
            await _check_transport(checks, master, TryTransport(command.context), directory)


def _check_sources(checks: Checks, preflight: Preflight) -> None:
    facts = preflight.facts
    if preflight.target.before and (facts.has("missing") or facts.has("patterns")):
        checks.note("sources", "some are missing until `Before` has run: only a backup can check them")
        return
    with checks.catching("sources"):
        preflight.require_sources()
        _check_contents(checks, preflight)


def _check_contents(checks: Checks, preflight: Preflight) -> None:
    target, facts, paths = preflight.target, preflight.facts, preflight.target.source_paths
    user, closed = target.connection.username, facts.chosen("closed", paths)
    empty = [source.path for source in preflight.sources if source.kind == "folder" and source.holds is False]
    links = [source.path for source in preflight.sources if source.kind == "link"]
    if hidden := facts.chosen("hidden", paths):
        checks.note("sources", f"only root can see whether they exist: {some_of(hidden)}")
    elif closed and not target.sudo_user:
        hint = f"there: `setfacl -R -m {shlex.quote(f'u:{user}:rX')} PATH`, or log in as a user who may read it"
        checks.fail("sources", f"{user} may not read {some_of(closed)}", hint)
    elif len(empty) == len(paths):
        hint = "mount what should be there, or correct SourcePaths"
        checks.fail("sources", f"nothing is in {some_of(empty)}: the archive would hold no file at all", hint)
    elif empty:
        checks.warn("sources", f"nothing is in {some_of(empty)}", "if something should be mounted there, mount it")
    elif links:
        checks.warn("sources", f"borg saves only the link: {some_of(links)}", "name in SourcePaths what it leads to")
    elif covered := [path for path in paths if left_out(path, target.excludes)]:
        checks.warn("sources", f"Excludes cover {some_of(covered)}: nothing of it is saved", "correct one of the two")
    else:
        checks.ok("sources", f"{len(paths)} to be read")


def _check_clock(checks: Checks, preflight: Preflight) -> None:
    off = preflight.clock_off
    if off is None:
        checks.note("clock", "its `date -u +%s` does not print the time")
        return
    with checks.catching("clock"):
        preflight.require_clock()
        if abs(off) > _CLOCK_WARNING:
            checks.warn("clock", clock_words(off), CLOCK_HINT)
        else:
            checks.ok("clock", "as on this machine")


async def _check_transport(checks: Checks, master: ssh.Master, command: TryTransport, directory: Path) -> None:
    """Open the very session of a backup, forward its socket, and have its borg connect, where it can start."""
    mark, target = secrets.token_hex(16), command.context.target
    failed = {finding.what for finding in checks.findings if finding.mark is Mark.FAILED}
    async with open_session(master, command, mark) as session:
        checks.ok("tmp", str(Path(session.folder).parent))
        with checks.catching("transport"):
            async with forward_socket(master, session.folder, target=target, directory=directory) as forwarded:
                if failed & {"borg", "socat"}:
                    return
                await try_borg(master, session, forwarded.accept)
                if forwarded.fell_back:
                    checks.note(
                        "transport",
                        "its sshd refuses to forward a unix socket: backups use stdio, through socat in a session of "
                        "its own",
                        'set Transport = "stdio" for this target if this is intended',
                    )
                else:
                    checks.ok("transport", f"{forwarded.transport}, tried from its borg to here")
