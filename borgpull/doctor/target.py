"""One target: what a backup needs of it, as the preflight of a run asks it, and the whole way of its bytes once.

What it says is untrusted.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from .. import ssh
from ..borg.archive_names import archive_name
from ..borg.command import Repository, left_out
from ..borg.version import read_version
from ..config import Config, Target
from ..errors import Failure
from ..transport import CreateArchive, Preflight, ask_preflight, forward_socket
from ..transport.preflight import CLOCK_HINT, clock_words, some_of
from ..transport.target_session import open_session
from .checks import Checks, judge_cipher
from .repository import ROW as LEDGER

ROWS = ("connect", "shell", "borg", "socat", "tmp", "transport", "sources", "clock", LEDGER)
# More than the way to the target and back takes.
_CLOCK_WARNING = 90.0
_SOCAT = re.compile(r"socat version ([0-9][0-9A-Za-z.]{0,20}).*", re.ASCII)


@dataclass(frozen=True)
class _Context:
    target: Target
    repository: Repository


async def check_target(checks: Checks, master: ssh.Master, config: Config, target: Target, directory: Path) -> None:
    """Check the target over its connection. `directory` is the private one of this run."""
    repository = Repository(config.repository_path(target), config.repository_url(target))
    command = CreateArchive(_Context(target, repository), archive_name(0))
    preflight = None
    with checks.attempt("shell"):
        preflight = await ask_preflight(master, command, versions=True)
        checks.ok("shell", f"for {target.connection.username}")
        judge_cipher(checks, preflight.facts, target.connection)
        _check_programs(checks, preflight)
        with checks.attempt("sources"):
            _check_sources(checks, preflight)
        with checks.attempt("clock"):
            _check_clock(checks, preflight)
    if preflight is not None:
        with checks.attempt("tmp"):
            await _try_transport(checks, master, command, directory)


def _check_programs(checks: Checks, preflight: Preflight) -> None:
    with checks.attempt("borg"):
        preflight.require_borg()
        checks.ok("borg", read_version(checks.party, preflight.facts.one("borg")))
    with checks.attempt("socat"):
        preflight.require_socat()
        found = _SOCAT.fullmatch(preflight.facts.one("socat"))
        checks.ok("socat", found[1] if found else "")


def _check_sources(checks: Checks, preflight: Preflight) -> None:
    target, facts = preflight.target, preflight.facts
    paths, sources = target.source_paths, preflight.sources
    if target.before and (facts.has("missing") or facts.has("patterns")):
        checks.note("sources", "not all of them are there before `Before` has run: only a backup can tell")
        return
    preflight.require_sources()
    if hidden := facts.chosen("hidden", paths):
        checks.note("sources", f"only root can see whether they are there: {some_of(hidden)}")
        return
    closed = facts.chosen("closed", paths)
    if closed and not target.sudo_user:
        user = target.connection.username
        raise Failure(
            checks.party,
            f"{user} may not read {some_of(closed)}",
            hint=f"there: `setfacl -R -m u:{user}:rX PATH`, or log in as a user who may read it",
        )
    empty = [source.path for source in sources if source.kind == "folder" and source.holds is False]
    if len(empty) == len(paths):
        raise Failure(
            checks.party,
            f"nothing is in {some_of(empty)}: the archive would hold no file at all",
            hint="mount what should be there, or correct SourcePaths",
        )
    covered = [path for path in paths if left_out(path, target.excludes)]
    links = [source.path for source in sources if source.kind == "link"]
    if empty:
        checks.warn("sources", f"nothing is in {some_of(empty)}", "if something should be mounted there, mount it")
    elif links:
        checks.warn("sources", f"borg saves only the link: {some_of(links)}", "name in SourcePaths what it leads to")
    elif covered:
        checks.warn("sources", f"Excludes cover {some_of(covered)}: nothing of it is saved", "correct one of the two")
    else:
        checks.ok("sources", f"{len(paths)} to be read")


def _check_clock(checks: Checks, preflight: Preflight) -> None:
    off = preflight.clock_off
    if off is None:
        checks.note("clock", "its `date -u +%s` does not say the time")
        return
    preflight.require_clock()
    if abs(off) > _CLOCK_WARNING:
        checks.warn("clock", clock_words(off), CLOCK_HINT)
    else:
        checks.ok("clock", "as on this machine")


async def _try_transport(checks: Checks, master: ssh.Master, command: CreateArchive, directory: Path) -> None:
    """Open the very session of a backup, and forward its socket; its borg never starts."""
    mark, transport = secrets.token_hex(16), command.context.target.transport
    async with open_session(master, command.line(mark), mark) as session:
        checks.ok("tmp", str(Path(session.folder).parent))
        with checks.attempt("transport"):
            # That something listens on a socket there is what is asked: nobody comes.
            async with forward_socket(master, session.folder, transport=transport, directory=directory) as forwarded:
                if forwarded.fell_back:
                    checks.note(
                        "transport",
                        "its sshd refuses to forward a unix socket: backups use stdio, through socat in a session of "
                        "its own",
                        'Transport = "stdio" for this target says that this is intended',
                    )
                else:
                    checks.ok("transport", f"{forwarded.transport}, tried with a fresh socket")
