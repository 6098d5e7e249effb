"""One T: whether it can be reached and lets a backup of its sources out. What it says is hostile.

The folder that the road is tried in goes with its session, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import subprocess
import time
from pathlib import Path

from .. import process, ssh
from ..borg.archive_names import archive_name
from ..borg.command import Repository
from ..borg.excludes import left_out
from ..borg.failure import missing_borg
from ..borg.version import read_version
from ..config import Config, Target
from ..errors import Failure
from ..transport import CreateArchive, ForwardedSocket, forward_socket, sudo
from ..transport.preflight import (
    CLOCK_HINT,
    agreed_folder,
    clock_words,
    missing_patterns,
    missing_socat,
    refuse_clock,
    refuse_missing,
    refuse_too_long,
    some_of,
)
from ..transport.scripts import BASE, FOLDER
from ..transport.target_session import END_SECONDS
from ..untrusted import clean
from .checks import LOOK_AT_PROCESSOR, MOST_FACTS, Checks, Facts, judge_cipher
from .repository import ROW as LEDGER

ROWS = ("connect", "shell", "borg", "socat", "tmp", "transport", "sources", "clock", LEDGER)
SECONDS = 60.0
# More than the way to T and back takes.
_CLOCK_WARNING = 90.0
_SLOW = "log in there and see what is slow: the host, or a ~/.bashrc that waits"
_SOCAT = re.compile(r"socat version ([0-9][0-9A-Za-z.]{0,20}).*", re.ASCII)

# $1 is the borg, $2 sudo (or empty), $3 the file of patterns (or empty), then come the source paths. Prints a word and
# a value a line.
_LOOK = (
    sudo.LOOK
    + r"""
look() {
  borg=$1 sudo=$2 patterns=$3
  shift 3
  exec </dev/null
  if ! command -v "$borg" >/dev/null; then :
  elif [ -z "$sudo" ]; then echo "borg $("$borg" --version 2>&1 | head -n 1)"
  elif ask_sudo; then echo "borg $said"
  else echo "refused $borg $said"; fi
  if command -v socat >/dev/null; then echo "socat $(socat -V 2>&1 | grep -m 1 '^socat version')"; fi
  [ -z "$patterns" ] || readable "$patterns" || echo "patterns missing"
  n=0
  for path do
    if ! there "$path"; then echo "missing $n"
    elif [ ! -e "$path" ] && [ ! -L "$path" ]; then echo "hidden $n"
    elif [ -L "$path" ]; then echo "link $n"
    elif [ ! -r "$path" ] || { [ -d "$path" ] && [ ! -x "$path" ]; }; then echo "closed $n"
    elif [ -d "$path" ]; then
      in=$(ls -A -- "$path") || exit 1
      [ -n "$in" ] || echo "empty $n"
    fi
    n=$((n + 1))
  done
  echo "clock $(date -u +%s)"
"""
    + LOOK_AT_PROCESSOR
    + """}
part facts look "$@"
"""
)

# Makes the folder that a backup's session makes, and keeps it until standard input ends.
_FOLDER = (
    ssh.WATCHDOG
    + r"""
umask 077
mark=$1
exec 3<&0 </dev/null
"""
    + BASE
    + FOLDER
    + r"""
echo "$mark place $dir"
read -r _ <&3
"""
)


async def check_target(checks: Checks, master: ssh.Master, config: Config, target: Target, directory: Path) -> None:
    """Look at T over its connection; findings go to `sheet`. `directory` is the private one of this run."""
    facts = None
    with checks.attempt("shell"):
        facts = await _asked(master, config, target)
        checks.ok("shell", f"for {target.connection.username}")
        judge_cipher(checks, facts, target.connection)
        _look_at_programs(checks, facts, target)
        with checks.attempt("sources"):
            _judge_sources(checks, facts, target)
        with checks.attempt("clock"):
            _judge_clock(checks, facts)
    if facts is not None:
        with checks.attempt("tmp"):
            await _try_road(checks, master, target, directory)


async def _asked(master: ssh.Master, config: Config, target: Target) -> Facts:
    repository = Repository(config.repository_path(target), config.repository_url(target))
    backup = CreateArchive(target=target, repository=repository, archive=archive_name(0))
    # What is too long for a backup is too long for us too.
    refuse_too_long(master.party, backup.command(secrets.token_hex(16)))
    sudo_program = sudo.program(target.sudo_user)
    arguments = (target.borg_path, sudo_program, target.patterns_from, *target.source_paths)
    doing = "look at its programs and its source paths"
    return Facts(await ssh.ask(master, _LOOK, *arguments, doing=doing, seconds=SECONDS, most=MOST_FACTS))


def _look_at_programs(checks: Checks, facts: Facts, target: Target) -> None:
    with checks.attempt("borg"):
        if facts.has("refused") and target.sudo_user:
            raise sudo.refusal(checks.party, target.sudo_user, target.borg_path, facts.one("refused"))
        if not facts.has("borg"):
            raise missing_borg(checks.party, target.borg_path)
        checks.ok("borg", read_version(checks.party, facts.one("borg")))
    if facts.has("socat"):
        found = _SOCAT.fullmatch(facts.one("socat"))
        checks.ok("socat", found[1] if found else "")
    else:
        checks.cross("socat", missing_socat(checks.party))


def _judge_sources(checks: Checks, facts: Facts, target: Target) -> None:
    paths = target.source_paths
    if target.before and (facts.has("missing") or facts.has("patterns")):
        checks.note("sources", "not all of them are there before `Before` has run: only a backup can tell")
        return
    refuse_missing(checks.party, facts.chosen("missing", paths))
    if facts.has("patterns"):
        raise missing_patterns(checks.party, target.patterns_from)
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
    empty = facts.chosen("empty", paths)
    if len(empty) == len(paths):
        raise Failure(
            checks.party,
            f"nothing is in {some_of(empty)}: the archive would hold no file at all",
            hint="mount what should be there, or correct SourcePaths",
        )
    covered = [path for path in paths if left_out(path, target.excludes)]
    if empty:
        checks.warn("sources", f"nothing is in {some_of(empty)}", "if something should be mounted there, mount it")
    elif links := facts.chosen("link", paths):
        checks.warn("sources", f"borg saves only the link: {some_of(links)}", "name in SourcePaths what it leads to")
    elif covered:
        checks.warn("sources", f"Excludes cover {some_of(covered)}: nothing of it is saved", "correct one of the two")
    else:
        checks.ok("sources", f"{len(paths)} to be read")


def _judge_clock(checks: Checks, facts: Facts) -> None:
    told = facts.number("clock")
    if told is None:
        checks.note("clock", "its `date -u +%s` does not say the time")
        return
    off = told - time.time()
    refuse_clock(checks.party, off)
    if abs(off) > _CLOCK_WARNING:
        checks.warn("clock", clock_words(off), CLOCK_HINT)
    else:
        checks.ok("clock", "as on this machine")


async def _try_road(checks: Checks, master: ssh.Master, target: Target, directory: Path) -> None:
    mark = secrets.token_hex(16)
    command = process.Command("exec")["sh", "-c", _FOLDER, "sh", mark]
    async with ssh.session(master, command, stdin=subprocess.PIPE) as child:
        try:
            with checks.attempt("tmp"):
                folder = await _folder(master, child, mark)
                checks.ok("tmp", str(Path(folder).parent))
                with checks.attempt("transport"):
                    # That something listens on a socket there is what is asked: nobody comes.
                    async with forward_socket(
                        master, folder, transport=target.transport, directory=directory
                    ) as forwarded:
                        _tell_road(checks, forwarded)
        finally:
            child.close_stdin()
            with contextlib.suppress(TimeoutError):
                await child.wait(END_SECONDS)


def _tell_road(checks: Checks, forwarded: ForwardedSocket) -> None:
    if forwarded.fell_back:
        checks.note(
            "transport",
            "its sshd refuses to forward a unix socket: backups go over stdio, through socat in a session of its own",
            'Transport = "stdio" for this target says that it is meant so',
        )
    else:
        checks.ok("transport", f"{forwarded.transport}, tried with a fresh socket")


async def _folder(master: ssh.Master, child: process.Child, mark: str) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            async for line in process.lines(child.stdout):
                words = line.decode("utf-8", "replace").split(" ", 2)
                if words[:2] == [mark, "place"] and len(words) == 3:
                    return agreed_folder(master.party, words[2])
            said, _ = await process.read_all(child.stderr)
    except TimeoutError:
        raise Failure(master.party, "it did not make a folder in time", hint=_SLOW) from None
    raise Failure(
        master.party,
        f"no folder can be made there below TMPDIR or /tmp: {clean(said)}",
        hint="the account needs a writable /tmp, with room in it, and mktemp",
    )
