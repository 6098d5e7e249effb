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

from .. import proc, ssh
from ..borg.command import Repository
from ..borg.excludes import left_out
from ..borg.failure import missing_borg
from ..borg.series import archive_name
from ..borg.version import read_version
from ..config import Config, Target
from ..errors import Failure
from ..hostile import clean
from ..road import Backup, FirstLeg, as_root, first_leg
from ..road.obstacles import (
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
from ..road.script import BASE, FOLDER
from ..road.target import END_SECONDS
from .repository import ROW as LEDGER
from .sheet import LOOK_AT_PROCESSOR, MOST_FACTS, Facts, Sheet, judge_cipher

ROWS = ("connect", "shell", "borg", "socat", "tmp", "road", "sources", "clock", LEDGER)
SECONDS = 60.0
# More than the way to T and back takes.
_CLOCK_WARNING = 90.0
_SLOW = "log in there and see what is slow: the host, or a ~/.bashrc that waits"
_SOCAT = re.compile(r"socat version ([0-9][0-9A-Za-z.]{0,20}).*", re.ASCII)

# $1 is the borg, $2 sudo (or empty), $3 the file of patterns (or empty), then come the source paths. Prints a word and
# a value a line.
_LOOK = (
    as_root.LOOK
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
    ssh.LIFELINE
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


async def look_at_target(sheet: Sheet, master: ssh.Master, config: Config, target: Target, directory: Path) -> None:
    """Look at T over its connection; findings go to `sheet`. `directory` is the private one of this run."""
    facts = None
    with sheet.attempt("shell"):
        facts = await _asked(master, config, target)
        sheet.ok("shell", f"for {target.connection.username}")
        judge_cipher(sheet, facts, target.connection)
        _look_at_programs(sheet, facts, target)
        with sheet.attempt("sources"):
            _judge_sources(sheet, facts, target)
        with sheet.attempt("clock"):
            _judge_clock(sheet, facts)
    if facts is not None:
        with sheet.attempt("tmp"):
            await _try_road(sheet, master, target, directory)


async def _asked(master: ssh.Master, config: Config, target: Target) -> Facts:
    repository = Repository(config.repository_path(target), config.repository_url(target))
    backup = Backup(target=target, repository=repository, archive=archive_name(0))
    # What is too long for a backup is too long for us too.
    refuse_too_long(master.party, backup.command(secrets.token_hex(16)))
    sudo = as_root.program(target.sudoer)
    arguments = (target.borg_path, sudo, target.patterns_from, *target.source_paths)
    doing = "look at its programs and its source paths"
    return Facts(await ssh.ask(master, _LOOK, *arguments, doing=doing, seconds=SECONDS, most=MOST_FACTS))


def _look_at_programs(sheet: Sheet, facts: Facts, target: Target) -> None:
    with sheet.attempt("borg"):
        if facts.has("refused") and target.sudoer:
            raise as_root.refusal(sheet.party, target.sudoer, target.borg_path, facts.one("refused"))
        if not facts.has("borg"):
            raise missing_borg(sheet.party, target.borg_path)
        sheet.ok("borg", read_version(sheet.party, facts.one("borg")))
    if facts.has("socat"):
        found = _SOCAT.fullmatch(facts.one("socat"))
        sheet.ok("socat", found[1] if found else "")
    else:
        sheet.cross("socat", missing_socat(sheet.party))


def _judge_sources(sheet: Sheet, facts: Facts, target: Target) -> None:
    paths = target.source_paths
    if target.before and (facts.has("missing") or facts.has("patterns")):
        sheet.note("sources", "not all of them are there before `Before` has run: only a backup can tell")
        return
    refuse_missing(sheet.party, facts.chosen("missing", paths))
    if facts.has("patterns"):
        raise missing_patterns(sheet.party, target.patterns_from)
    if hidden := facts.chosen("hidden", paths):
        sheet.note("sources", f"only root can see whether they are there: {some_of(hidden)}")
        return
    closed = facts.chosen("closed", paths)
    if closed and not target.sudoer:
        user = target.connection.username
        raise Failure(
            sheet.party,
            f"{user} may not read {some_of(closed)}",
            hint=f"there: `setfacl -R -m u:{user}:rX PATH`, or log in as a user who may read it",
        )
    empty = facts.chosen("empty", paths)
    if len(empty) == len(paths):
        raise Failure(
            sheet.party,
            f"nothing is in {some_of(empty)}: the archive would hold no file at all",
            hint="mount what should be there, or correct SourcePaths",
        )
    covered = [path for path in paths if left_out(path, target.excludes)]
    if empty:
        sheet.warn("sources", f"nothing is in {some_of(empty)}", "if something should be mounted there, mount it")
    elif links := facts.chosen("link", paths):
        sheet.warn("sources", f"borg saves only the link: {some_of(links)}", "name in SourcePaths what it leads to")
    elif covered:
        sheet.warn("sources", f"Excludes cover {some_of(covered)}: nothing of it is saved", "correct one of the two")
    else:
        sheet.ok("sources", f"{len(paths)} to be read")


def _judge_clock(sheet: Sheet, facts: Facts) -> None:
    told = facts.number("clock")
    if told is None:
        sheet.note("clock", "its `date -u +%s` does not say the time")
        return
    off = told - time.time()
    refuse_clock(sheet.party, off)
    if abs(off) > _CLOCK_WARNING:
        sheet.warn("clock", clock_words(off), CLOCK_HINT)
    else:
        sheet.ok("clock", "as on this machine")


async def _try_road(sheet: Sheet, master: ssh.Master, target: Target, directory: Path) -> None:
    mark = secrets.token_hex(16)
    command = proc.Command("exec")["sh", "-c", _FOLDER, "sh", mark]
    async with ssh.session(master, command, stdin=subprocess.PIPE) as child:
        try:
            with sheet.attempt("tmp"):
                folder = await _folder(master, child, mark)
                sheet.ok("tmp", str(Path(folder).parent))
                with sheet.attempt("road"):
                    # That something listens on a socket there is what is asked: nobody comes.
                    async with first_leg(master, folder, road=target.road, directory=directory) as leg:
                        _tell_road(sheet, leg)
        finally:
            child.close_stdin()
            with contextlib.suppress(TimeoutError):
                await child.wait(END_SECONDS)


def _tell_road(sheet: Sheet, leg: FirstLeg) -> None:
    if leg.fell_back:
        sheet.note(
            "road",
            "its sshd refuses to forward a unix socket: backups go over stdio, through socat in a session of its own",
            'Road = "stdio" for this target says that it is meant so',
        )
    else:
        sheet.ok("road", f"{leg.road}, tried with a fresh socket")


async def _folder(master: ssh.Master, child: proc.Child, mark: str) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            async for line in proc.lines(child.stdout):
                words = line.decode("utf-8", "replace").split(" ", 2)
                if words[:2] == [mark, "place"] and len(words) == 3:
                    return agreed_folder(master.party, words[2])
            said, _ = await proc.drained(child.stderr)
    except TimeoutError:
        raise Failure(master.party, "it did not make a folder in time", hint=_SLOW) from None
    raise Failure(
        master.party,
        f"no folder can be made there below TMPDIR or /tmp: {clean(said)}",
        hint="the account needs a writable /tmp, with room in it, and mktemp",
    )
