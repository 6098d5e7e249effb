"""Borg on T: one session that looks around, waits for the passphrase, runs one borg, and cleans up after itself.

That borg creates an archive or extracts one; through either session T can only add, and the road is the same.

T's socket leads to C over the first leg of the road, once. What T says is hostile: it is bounded, and a borg that
claims success is not believed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from plumbum.commands.base import BaseCommand

from .. import proc, ssh
from ..borg import command as borg_command
from ..borg.command import Repository
from ..borg.failure import missing_borg
from ..config import Options
from ..errors import Failure, TamperedError
from ..hostile import clean, last_lines
from .controller import Ended, attend
from .obstacles import (
    LONGEST_FOLDER,
    agreed_folder,
    missing_patterns,
    missing_socat,
    refuse_clock,
    refuse_missing,
    refuse_too_long,
)
from .serve import BackupServer, Entrance, Heard, Request, Served, serve

LOOK_SECONDS = 60.0
# A checkpoint is written after the interrupt: that may take some seconds on a slow link.
END_SECONDS = 30.0
# What the script says besides a line for each path that is missing; and no word of it is longer than a folder.
_OTHER_FACTS = 8
_LONGEST_FACT = 2 * LONGEST_FOLDER

# Where a session on T has its folder: $base. Nothing is removed there but what a session of ours made.
BASE = r"""
base=${TMPDIR:-/tmp}
case $base in *[!A-Za-z0-9._/-]*) base=/tmp ;; esac
[ "${#base}" -le 70 ] || base=/tmp
clear_away() {
  read -r socat 2>/dev/null <"$1/socat" && { [ ! -e "/proc/$socat" ] || grep -q "$1" "/proc/$socat/cmdline"; } &&
    kill "$socat" 2>/dev/null
  rm -f "$1/borg" "$1/pid" "$1/socat"
  rmdir "$1"
}
"""

# Makes $dir below $base, which goes with the session however it ends; standard input is descriptor 3. Nothing is
# written to, nor removed from, a folder that has not the name that was asked for.
FOLDER = r"""
dir=$(mktemp -d "$base/borgpull.XXXXXXXXXX" 2>/dev/null ||
  mktemp -d /tmp/borgpull.XXXXXXXXXX) || { echo "$mark lacks directory"; exit 91; }
case $dir in "$base"/borgpull.?????????? | /tmp/borgpull.??????????) ;; *) echo "$mark place $dir"; exit 91 ;; esac
trap 'kill $life 2>/dev/null; clear_away "$dir"' EXIT
trap 'exit 143' HUP INT TERM PIPE
echo $$ >"$dir/pid"
{ lifeline true; } >/dev/null 2>&1 3<&- &
life=$!
"""

# Arguments: mark, borg, its niceness (empty for none), the folder that it works in (made if need be; empty for the
# home), how many arguments of borg come before the source paths, and the arguments of borg.
# Standard input is the lifeline: first the passphrase, then nothing; when it ends, borg is interrupted, and killed when
# it does not end. `read` takes its input byte by byte, and it and `printf` are built in: no secret gets into an argv.
# A directory whose session is no more was left behind by a kill or a crash.
_SCRIPT = (
    ssh.LIFELINE
    + r"""
umask 077
unset BORG_PASSPHRASE BORG_PASSCOMMAND BORG_NEW_PASSPHRASE BORG_REMOTE_PATH borgpull_secret
mark=$1 borg=$2 nice=$3 folder=$4 skip=$5
shift 5
exec 3<&0 </dev/null
command -v "$borg" >/dev/null || echo "$mark lacks borg"
command -v socat >/dev/null || echo "$mark lacks socat"
n=0
for path do
  n=$((n + 1))
  if [ "$n" -gt "$skip" ]; then
    [ -e "$path" ] || [ -L "$path" ] || echo "$mark missing $((n - skip - 1))"
  else
    case $path in --patterns-from=*) [ -f "${path#*=}" ] && [ -r "${path#*=}" ] || echo "$mark lacks patterns" ;; esac
  fi
done
"""
    + BASE
    + r"""
for old in "$base"/borgpull.??????????; do
  [ -O "$old" ] && [ ! -L "$old" ] && read -r p 2>/dev/null <"$old/pid" || continue
  kill -0 "$p" 2>/dev/null && { [ ! -e "/proc/$p" ] || grep -q borgpull "/proc/$p/cmdline"; } || clear_away "$old"
done
"""
    + FOLDER
    + r"""
echo "$mark clock $(date -u +%s)"
echo "$mark place $dir"
IFS= read -r borgpull_secret <&3 || exit 90
export BORG_RSH="sh -c 'exec socat -b 262144 STDIO UNIX-CONNECT:$dir/borg'"
printf %s "$borgpull_secret" | {
  unset borgpull_secret
  exec 4<&0 </dev/null 3<&-
  export BORG_PASSPHRASE_FD=4
  [ -z "$folder" ] || { mkdir -p "$folder" && cd "$folder"; } || exit 2
  calmly=
  if [ -n "$nice" ]; then
    ! nice -n "$nice" true || calmly="nice -n $nice"
    ! ionice -c 2 -n 7 true || calmly="$calmly ionice -c 2 -n 7"
  fi 2>/dev/null
  exec $calmly "$borg" "$@"
} &
p=$!
unset borgpull_secret
{
  while IFS= read -r n; do :; done <&3
  kill -INT $p
  n=0
  while [ $n -lt 25 ]; do kill -0 $p || exit; sleep 1; n=$((n + 1)); done
  kill -KILL $p
} >/dev/null 2>&1 &
w=$!
exec 3<&-
wait $p
r=$?
kill $w 2>/dev/null
exit $r
"""
)


@dataclass(frozen=True)
class Backup:
    """What is to be done on T: its borg, the repository, and the arguments of `borg create` with the sources last."""

    borg: str
    repository: Repository
    archive: str
    sources: tuple[str, ...]
    excludes: tuple[str, ...]
    options: Options

    def command(self, mark: str) -> BaseCommand:
        """Return the command of the session, framed by `mark`."""
        words = borg_command.create(self.archive, sources=self.sources, excludes=self.excludes, options=self.options)
        return _command(self, mark, words, folder="", nice=self.options.nice)


@dataclass(frozen=True)
class Extraction:
    """What is to be put back on T: the parts of `archive` that match `patterns` (all, without one), below `folder`."""

    borg: str
    repository: Repository
    archive: str
    patterns: tuple[str, ...]
    folder: str
    numeric_ids: bool
    lock_wait: int
    sources: tuple[str, ...] = ()

    def command(self, mark: str) -> BaseCommand:
        """Return the command of the session, framed by `mark`."""
        words = borg_command.extract(self.archive, patterns=self.patterns, numeric_ids=self.numeric_ids)
        return _command(self, mark, [f"--lock-wait={self.lock_wait}", *words], folder=self.folder)


Errand = Backup | Extraction


def _command(errand: Errand, mark: str, words: list[str], *, folder: str, nice: int | None = None) -> BaseCommand:
    calm = "" if nice is None else str(nice)
    before = str(len(words) - len(errand.sources))
    settings = [f"{name}={value}" for name, value in borg_command.environment(errand.repository.url).items()]
    return proc.Command("exec")[
        "env", settings, "sh", "-c", _SCRIPT, "sh", mark, errand.borg, calm, folder, before, words
    ]


class _Lifeline:
    """The input of T's session, at whose end it ends by itself: within END_SECONDS, however often it is let go."""

    def __init__(self, child: proc.Child) -> None:
        self._child = child
        self._deadline: float | None = None

    def let_go(self) -> float:
        """End the input; return by when the session has to have ended, by the clock of the event loop."""
        self._child.close_stdin()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + END_SECONDS
        return self._deadline


class TargetSession:
    """A session on T that has looked around and waits. Its borg will look for the repository at `borg` in `folder`."""

    def __init__(
        self, master: ssh.Master, child: proc.Child, lifeline: _Lifeline, output: AsyncIterator[bytes], folder: str
    ) -> None:
        self.folder = folder
        self._master = master
        self._child = child
        self._lifeline = lifeline
        self._output = output

    async def run(
        self,
        server: BackupServer,
        repository: Repository,
        *,
        entrance: Entrance,
        pid_file: str,
        passphrase: str,
        quota: str,
        gated: bool,
        heard: Heard,
        server_heard: Heard,
        socket: str = "",
    ) -> Ended:
        """Let T's borg do its one errand; return what it said when it and the serve on B have ended.

        `entrance` is that of a first leg that leads here from `folder`;
        `pid_file` is where B keeps the pid of the serve, out of T's reach; `quota` is how large the repository may get.
        `gated` has the gate read what T's borg asks for; `socket` is where on B the serve is, empty to start it.

        Raises Failure when the road breaks, and TamperedError when the gate stopped the session. Cancelled, it has borg
        write its checkpoint first.
        """
        ended = Ended()
        request = Request(
            server=server,
            path=repository.path,
            append_only=True,
            pid_file=pid_file,
            quota=quota,
            gated=gated,
            socket=socket,
            heard=server_heard,
        )
        with _stopped(self._master.party, ended):
            await self._travel(request, entrance, ended, passphrase, heard)
        if broken := await self._broken(ended.status):
            raise broken
        return ended

    async def _travel(self, request: Request, entrance: Entrance, ended: Ended, passphrase: str, heard: Heard) -> None:
        async with serve(request, entrance) as served:
            ended.served = served
            try:
                await self._child.write(passphrase.encode() + b"\n")
                async with self._outliving(served):
                    await attend(self._child, ended, heard, self._collect())
            except BaseException:
                await self._interrupt()
                raise

    async def _broken(self, status: int) -> Failure | None:
        """Say how the connection broke, or our end of the session, by the exit status of its ssh."""
        return ssh.killed(self._master.party, status) or (
            await self._master.lost() if status == ssh.SSH_FAILED else None
        )

    def moved(self) -> int:
        """Return how many bytes the connection to T has moved so far; -1 when it cannot be told."""
        return self._master.moved()

    @contextlib.asynccontextmanager
    async def _outliving(self, served: Served) -> AsyncIterator[None]:
        """Let T's session live no longer than it needs to after its serve on B; raises Failure when it does."""
        try:
            async with asyncio.timeout(None) as limit:
                watch = asyncio.create_task(self._end_after(served, limit))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError:
            raise Failure(
                self._master.party,
                "its session did not end when borg serve on B had ended",
                hint="look there for a borg or an ssh session that hangs",
                transient=True,
            ) from None

    async def _end_after(self, served: Served, limit: asyncio.Timeout) -> None:
        await served.over.wait()
        if served.status == 0:
            # Its client has said good-bye: it writes its caches, and has yet to say what it did.
            await asyncio.sleep(END_SECONDS)
        limit.reschedule(self._lifeline.let_go())

    async def _interrupt(self) -> None:
        # The road to B has to stand until borg has written its checkpoint, and its last words have to be read.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._lifeline.let_go()), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._collect())
                tasks.create_task(proc.drained(self._child.stderr))
                tasks.create_task(self._child.wait())

    async def _collect(self) -> bytes:
        kept = bytearray()
        async for line in self._output:
            kept += (line + b"\n")[: proc.MOST_OUTPUT - len(kept)]
        return bytes(kept)


@contextlib.contextmanager
def _stopped(party: str, ended: Ended) -> Iterator[None]:
    """Raise TamperedError when the gate stopped the session, whatever else came of that."""
    try:
        yield
    except Failure:
        if not ended.served.gate.refused:
            raise
    if ended.served.gate.refused:
        raise TamperedError(
            party,
            "its borg was stopped by the gate",
            rules=(ended.served.gate.refused,),
            hint="no older object was touched, and its repository stays open: find out who controls that host before "
            "the next run; nothing was pruned or compacted",
        )


@contextlib.asynccontextmanager
async def open_target(master: ssh.Master, errand: Errand) -> AsyncIterator[TargetSession]:
    """Open the session on T, for as long as the context lasts; its directory there goes with it.

    Raises Failure when T lacks borg, socat or one of the source paths.
    """
    mark = secrets.token_hex(16)
    command = errand.command(mark)
    refuse_too_long(master.party, command)
    async with ssh.session(master, command, stdin=subprocess.PIPE) as child:
        lifeline = _Lifeline(child)
        try:
            output = proc.lines(child.stdout)
            place = await _look(master, errand, child, output, mark)
            yield TargetSession(master, child, lifeline, output, place)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(lifeline.let_go()):
                    await child.wait()


async def _look(master: ssh.Master, errand: Errand, child: proc.Child, output: AsyncIterator[bytes], mark: str) -> str:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            seen = [fact async for fact in _seen(output, mark, most=len(errand.sources) + _OTHER_FACTS)]
            if not seen or seen[-1][0] != "place":
                said, _ = await proc.drained(child.stderr)
                raise await _no_shell(master, child, said)
    except TimeoutError:
        raise Failure(
            master.party,
            f"its shell did not begin within {LOOK_SECONDS:.0f} s",
            hint="log in there and see what is slow: the host, a ~/.bashrc that waits, a dead mount in SourcePaths",
            transient=True,
        ) from None
    _refuse(master.party, errand, seen)
    told = [int(value) for word, value in seen if word == "clock" and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII)]
    refuse_clock(master.party, told[0] - time.time() if told else 0.0)
    return agreed_folder(master.party, seen[-1][1])


async def _seen(output: AsyncIterator[bytes], mark: str, *, most: int) -> AsyncIterator[tuple[str, str]]:
    # Lines without the mark come from a ~/.bashrc, which bash reads for ssh commands too.
    async for line in output:
        words = line.decode("utf-8", "replace").split(" ", 2)
        if words[0] == mark and len(words) == 3:
            yield words[1], words[2][:_LONGEST_FACT]
            most -= 1
            if words[1] == "place" or not most:
                return


async def _no_shell(master: ssh.Master, child: proc.Child, said: bytes) -> Failure:
    status = await child.wait()
    text = said.decode("utf-8", "replace")
    if died := ssh.killed(master.party, status):
        return died
    if status == ssh.SSH_FAILED:
        return master.failure(text, doing="open a session")
    return Failure(
        master.party,
        f"no directory below /tmp, or no shell, for the session there (exit {status}): {clean(text)}",
        hint="the account needs /bin/sh, a writable /tmp with mktemp, and no `command=` in authorized_keys",
        detail=last_lines(text),
    )


def _refuse(party: str, errand: Errand, seen: list[tuple[str, str]]) -> None:
    lacks = {value for word, value in seen if word == "lacks"}
    if "borg" in lacks:
        raise missing_borg(party, errand.borg)
    if "socat" in lacks:
        raise missing_socat(party)
    if "patterns" in lacks and isinstance(errand, Backup):
        raise missing_patterns(party, errand.options.patterns_from)
    missing = [int(value) for word, value in seen if word == "missing" and re.fullmatch(r"[0-9]{1,9}", value)]
    paths = [errand.sources[index] for index in missing if index < len(errand.sources)]
    refuse_missing(party, paths, so="; nothing was backed up")
