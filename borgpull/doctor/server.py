"""B: whether it can be reached, gives a shell, has a borg that answers, and room where the repositories lie.

Nothing is opened and nothing written there: `borg serve` is only asked for its version.
"""

from __future__ import annotations

import asyncio
import subprocess

from .. import process, ssh
from ..borg import command as borg_command
from ..borg.failure import missing_borg, named
from ..borg.version import QUESTION, Greeting, read_greeting, read_version
from ..config import Config
from ..errors import BACKUP_SERVER, Failure
from ..transport import Facts
from ..transport.preflight import MOST_FACTS
from ..transport.scripts import PROCESSOR
from .checks import Checks, judge_cipher
from .server_disk import DISK_ROWS, check_disk

ROWS = ("connect", "shell", "borg", "serve", *DISK_ROWS)
SECONDS = 60.0

# What the scripts of a run call there.
PROGRAMS = "cat cp date dd du expr find grep head ln ls mkdir mv rm sed setsid sleep stat wc"
# $1 is the borg, $2 RootDir; standard input has a repository's path a line. Prints a word and a value a line.
_SCRIPT = (
    f"programs='{PROGRAMS}'\n"
    + PROCESSOR
    + r"""
nearest() {
  place=$1
  until [ -e "$place" ] || [ "$place" = / ]; do place=${place%/*} place=${place:-/}; done
}
device() { stat -L -c %d -- "$place" 2>/dev/null; }
look() {
  borg=$1 root=$2
  for program in $programs; do command -v "$program" >/dev/null || echo "lacks $program"; done
  if command -v "$borg" >/dev/null; then echo "borg $("$borg" --version 2>&1 </dev/null | head -n 1)"; fi
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
part facts look "$@"
"""
)


async def check_server(checks: Checks, master: ssh.Master, config: Config) -> None:
    """Look at B over its connection; findings go to `sheet`. Raises Failure when B cannot be asked on."""
    with checks.attempt("shell"):
        facts = await _asked(master, config)
        _look_at_programs(checks, facts, config.server.username)
        judge_cipher(checks, facts, config.server)
        _look_at_borg(checks, facts, config.server.borg_path)
        check_disk(checks, facts, config)
        if facts.has("borg"):
            with checks.attempt("serve"):
                _judge_greeting(checks, await _greeted(master, config))
        return
    # Without a shell only a forced command is left to be named.
    if master.alive and (greeting := await _greeted(master, config)):
        checks.cross(
            "shell",
            Failure(
                BACKUP_SERVER,
                f"this key is forced to `borg serve` (borg {greeting.version}), which would IGNORE our --append-only "
                "and --restrict-to-repository: whatever a target asks for would be done",
                hint="remove `command=` from authorized_keys on B for this key, and give the account /bin/sh",
            ),
        )


async def _asked(master: ssh.Master, config: Config) -> Facts:
    paths = "".join(f"{config.repository_path(target)}\n" for target in config.targets)
    words = (config.server.borg_path, config.root_dir)
    doing = "look at its programs and its disk"
    return Facts(
        await ssh.ask(master, _SCRIPT, *words, doing=doing, stdin=paths.encode(), seconds=SECONDS, most=MOST_FACTS)
    )


def _look_at_programs(checks: Checks, facts: Facts, user: str) -> None:
    if lacks := facts.every("lacks"):
        hint = "apt install coreutils findutils grep sed util-linux"
        checks.cross("shell", Failure(BACKUP_SERVER, f"it lacks {', '.join(lacks)}", hint=hint))
    else:
        checks.ok("shell", f"for {user}")


def _look_at_borg(checks: Checks, facts: Facts, borg: str) -> None:
    with checks.attempt("borg"):
        if not facts.has("borg"):
            raise missing_borg(BACKUP_SERVER, borg)
        checks.ok("borg", read_version(BACKUP_SERVER, facts.one("borg")))


async def _greeted(master: ssh.Master, config: Config) -> Greeting | None:
    words = borg_command.serve(config.server.borg_path, config.root_dir, append_only=True)
    command = process.Command(words[0])[words[1:]]
    answer = b""
    try:
        async with (
            asyncio.timeout(SECONDS),
            ssh.session(master, command, stdin=subprocess.PIPE) as child,
            asyncio.TaskGroup() as tasks,
        ):
            output = tasks.create_task(process.read_all(child.stdout, most=MOST_FACTS))
            tasks.create_task(process.read_all(child.stderr, most=MOST_FACTS))
            await child.write(QUESTION)
            child.close_stdin()
            answer = (await output)[0]
    except TimeoutError:
        return None
    return read_greeting(answer)


def _judge_greeting(checks: Checks, greeting: Greeting | None) -> None:
    if greeting is None:
        raise Failure(
            BACKUP_SERVER,
            "its `borg serve` does not answer",
            hint="type `borg serve` there: it has to wait in silence for a client",
        )
    if greeting.preceded:
        raise named("UnexpectedRPCDataFormatFromServer", BACKUP_SERVER)
    checks.ok("serve", "it answers, and its shell keeps quiet")
