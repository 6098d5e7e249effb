"""The backup server: can it be reached, does it give a shell, does its borg answer, is there room for repositories?

Opens and writes nothing there: `borg serve` is only asked for its version, and what only a write could show is reported
as unknown.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
import shlex
import subprocess

from plumbum.commands.base import BaseCommand

from .. import process, ssh
from ..borg import command_lines as borg_command
from ..borg.failure import missing_borg, named
from ..borg.version import QUESTION, Greeting, read_greeting, read_version
from ..config import Config
from ..errors import BACKUP_SERVER
from ..format import size
from ..repository.space import HINT, LEAST, min_free
from ..repository.step_events import NO_LINKS, NO_LINKS_HINT
from ..transport import Facts
from ..transport.preflight import MOST_FACTS
from ..transport.serve import SERVE
from ..transport.target_scripts import PROCESSOR
from .checks import Checks, check_cipher

ROWS = ("connect", "shell", "borg", "serve", "root", "path", "space", "hard links")
SECONDS = 60.0
# By the names of `stat -f -c %T`.
_WITH_LINKS = {"ext2/ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlayfs", "nfs", "jfs", "reiserfs", "bcachefs"}
_WITHOUT_LINKS = {"msdos", "exfat"}
# The last line of `df -Pk`: kilobytes in all, used and free, the share that is used, and the mount point.
_FREE = re.compile(r".*\s(\d{1,15})\s+\d{1,15}\s+(-?\d{1,15})\s+\d{1,3}%\s.*", re.ASCII)
_SCARCE = 1024 * 1024 * 1024
_SCARCE_SHARE = 0.05

# The programs that the scripts of a run call there.
PROGRAMS = "cat cp date dd du expr find grep head id ln ls mkdir mv rm sed setsid sleep stat wc"
# $1 is borg, $2 RootDir; standard input has the path of a repository in each line. Prints a word and a value per line.
_SCRIPT = (
    f"programs='{PROGRAMS}'\n"
    + PROCESSOR
    + r"""
nearest() {
  place=$1
  until [ -e "$place" ] || [ "$place" = / ]; do place=${place%/*} place=${place:-/}; done
}
device() { stat -L -c %d -- "$place" 2>/dev/null; }
facts() {
  borg=$1 root=$2
  for program in $programs; do command -v "$program" >/dev/null || echo "lacks $program"; done
  if command -v "$borg" >/dev/null; then echo "borg $("$borg" --version 2>&1 </dev/null | sed -n '$p')"; fi
  kind "$root" || exit 1
  if [ -d "$root" ]; then echo "root directory"; elif [ -e "$root" ] || [ -L "$root" ]; then echo "root other"; fi
  nearest "$root"
  [ ! -w "$place" ] || [ ! -x "$place" ] || echo writable
  echo "real $(readlink -m -- "$root")"
  echo "free $(df -Pk -- "$place" | tail -n 1)"
  echo "kind $(stat -f -c %T -- "$place")"
  echo "device $(device)"
  while IFS= read -r path; do
    echo "path $(readlink -m -- "$path")"
    nearest "$path"
    echo "device $(device)"
  done
  processor
}
part facts facts "$@"
"""
)


async def check_server(checks: Checks, master: ssh.Master, config: Config) -> None:
    """Check the backup server over its connection. Raises Failure when the connection breaks."""
    with checks.catching("shell"):
        paths = "".join(f"{config.repository_path(target)}\n" for target in config.targets)
        stdin, doing = paths.encode(), "look at its programs and its disk"
        words = (config.server.borg_path, config.root_dir)
        answer = await ssh.ask(master, _SCRIPT, *words, doing=doing, stdin=stdin, seconds=SECONDS, most=MOST_FACTS)
        facts = Facts(answer)
        if lacks := facts.every("lacks"):
            checks.fail("shell", f"it lacks {', '.join(lacks)}", "apt install coreutils findutils grep sed util-linux")
        else:
            checks.ok("shell", f"for {config.server.username}")
        check_cipher(checks, facts, config.server)
        with checks.catching("borg"):
            if not facts.has("borg"):
                raise missing_borg(BACKUP_SERVER, config.server.borg_path)
            checks.ok("borg", read_version(BACKUP_SERVER, facts.one("borg")))
        _check_root(checks, facts, config)
        _check_paths(checks, facts, config)
        _check_space(checks, facts, config)
        check_hard_links(checks, facts)
        if facts.has("borg"):
            with checks.catching("serve"):
                serve = borg_command.serve(config.server.borg_path, config.root_dir, append_only=True)
                async with ssh.stored(master, SERVE, "begins", "", *serve) as script:
                    _check_serve(checks, await _greeting(master, await script()))
        return
    # No shell: see whether a forced command is the reason. Of the line borg reads what follows the first word (1.2.4).
    if master.alive and (greeting := await _greeting(master, process.Command("true")["serve"])):
        checks.fail(
            "shell",
            f"this key is forced to `borg serve` (borg {greeting.version}): borgpull can neither limit it to one "
            "repository and to adding, nor keep a ledger and read borg's records there",
            "remove `command=` from authorized_keys on the backup server for this key, and give the account /bin/sh; a "
            "hosted service that allows nothing else (Storage Box, BorgBase, rsync.net) cannot be the backup server",
        )


async def _greeting(master: ssh.Master, command: BaseCommand) -> Greeting | None:
    """Return what a `borg serve` answers, as which `command` runs there; None when none does."""
    try:
        async with (
            asyncio.timeout(SECONDS),
            ssh.session(master, command, stdin=subprocess.PIPE) as child,
            asyncio.TaskGroup() as tasks,
        ):
            output = tasks.create_task(process.read_all(child.stdout, most=MOST_FACTS))
            tasks.create_task(process.read_all(child.stderr, most=MOST_FACTS))
            await child.feed(QUESTION)
            return read_greeting((await output)[0])
    except TimeoutError:
        return None


def _check_serve(checks: Checks, greeting: Greeting | None) -> None:
    if greeting is None:
        hint = "run `borg serve` there: it has to wait in silence for a client"
        checks.fail("serve", "its `borg serve` does not answer", hint)
    elif greeting.preceded:
        checks.fail_with("serve", named("UnexpectedRPCDataFormatFromServer", BACKUP_SERVER))
    else:
        checks.ok("serve", "it answers, and its shell prints nothing else")


def _check_root(checks: Checks, facts: Facts, config: Config) -> None:
    kind, root, user = facts.one("root"), f"RootDir ({config.root_dir})", config.server.username
    if kind == "other":
        checks.fail("root", f"{root} is not a folder", "correct RootDir")
    elif not facts.has("writable"):
        cause = f"{root} is not writable by {user}" if kind else f"{root} does not exist, and {user} may not make it"
        install = shlex.join(["install", "-d", "-m", "700", "-o", user, config.root_dir])
        hint = f"on the backup server: `{install}`; its file system must not be read-only"
        checks.fail("root", cause, hint)
    elif not kind:
        hint = "if a disk should be mounted there, mount it first; or correct RootDir"
        checks.warn("root", f"{root} does not exist: the first run makes it", hint)
    else:
        checks.ok("root", config.root_dir)


def _check_paths(checks: Checks, facts: Facts, config: Config) -> None:
    real = facts.every("path")
    if len(real) != len(config.targets) or not all(real):
        checks.note("path", "its `readlink -m` does not print the real paths")
        return
    targets: dict[str, list[str]] = {}
    for target, path in zip(config.targets, real, strict=True):
        targets.setdefault(path, []).append(target.name)
    shared = next((path for path, names in targets.items() if len(names) > 1), "")
    if shared:
        checks.fail(
            "path",
            f"the repositories of {' and '.join(targets[shared])} are the same folder, by symbolic links: {shared}",
            "give each of them a SubDir of its own, without links to another one's",
        )
    elif facts.one("real") != "/" + posixpath.normpath(config.root_dir).strip("/"):
        # borg serve follows it on both sides of --restrict-to-repository (seen with 1.2.4 and 1.4.5).
        checks.note("path", f"RootDir leads to {facts.one('real')}, by a symbolic link")
    else:
        checks.ok("path", "real, each repository has its own")


def _check_space(checks: Checks, facts: Facts, config: Config) -> None:
    found = _FREE.fullmatch(facts.one("free"))
    if found is None:
        checks.note("space", "its `df -Pk` does not print how much is free")
        return
    whole, free = int(found[1]) * 1024, max(0, int(found[2])) * 1024
    words = f"{size(free)} of {size(whole)} free"
    # Of a repository with an empty index.
    least = min_free(0, config.min_free)
    if free < least + LEAST:
        checks.fail("space", f"its disk has no room for a session: {words}, less {size(least)} (MinFree)", HINT)
    elif free < _SCARCE or free < whole * _SCARCE_SHARE:
        hint = "free space below RootDir on the backup server, or keep fewer archives"
        checks.warn("space", f"little is left: {words}", hint)
    else:
        checks.ok("space", words)


def check_hard_links(checks: Checks, facts: Facts) -> None:
    """Check, without making one, whether a snapshot can have hard links."""
    kind = facts.one("kind")
    if len({device for device in facts.every("device") if device}) > 1:
        checks.warn(
            "hard links",
            "a repository is on another file system than RootDir, and no hard link can cross: no snapshot",
            "keep all repositories and RootDir/.borgpull on one file system",
        )
    elif kind in _WITHOUT_LINKS:
        checks.warn("hard links", NO_LINKS, NO_LINKS_HINT)
    elif kind in _WITH_LINKS:
        checks.ok("hard links", f"possible on {kind}")
    else:
        checks.note("hard links", f"only a run can tell whether {kind or 'its file system'} has them")
