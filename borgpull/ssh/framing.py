"""A shell script on another host whose answer is complete or a Failure: named parts, a status each, a last word.

A refused fork, a killed shell, a missing or failed program, a disk that gave half of a file: each leaves a part with a
status, or no last word.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from .. import process
from ..errors import Failure
from ..untrusted import clean
from .master import Master
from .session import execute, explain_exit

# What every framed script starts with. Standard output is for the frame alone.
# - part NAME COMMAND...: what a command printed, and its status. A dot behind it shows that nothing was cut off; a
#   refused fork ends dash, and leaves bash without the dot.
# - say NAME TEXT: a fact that is known already.
# - text NAME PATH: what lies at a path; of a plain file all its text, of one moment even if it is replaced meanwhile.
# - file NAME PATH [MOST]: what lies at a path; of a plain file its first MOST bytes, by length.
# - kind PATH sets `kind`. Only the system's own message proves that nothing is there: a test is also false for what
#   cannot be read, and hangs on a broken disk.
# - on: the script goes on, for as long again.
PRELUDE = r"""
umask 077
LC_ALL=C
export LC_ALL
on() { echo on; }
say() { printf 'part %s 0 %s\n%s\n' "$1" "${#2}" "$2"; }
part() {
  _name=$1
  shift
  _said=$("$@" && _r=0 || _r=$?; echo .; exit "$_r") && _r=0 || _r=$?
  case $_said in *.) _said=${_said%.} ;; *) [ "$_r" -ne 0 ] || _r=99 ;; esac
  printf 'part %s %s %s\n%s\n' "$_name" "$_r" "${#_said}" "$_said"
  return "$_r"
}
kind() {
  if [ -L "$1" ]; then kind=link
  elif [ -f "$1" ]; then kind=file
  elif [ -d "$1" ]; then kind=folder
  elif [ -e "$1" ]; then kind=other
  else
    kind=
    _said=$(ls -d -- "$1" 2>&1) && _r=0 || _r=$?
    case $_r,$_said in
      [12],*"No such file or directory" | [12],*"Not a directory") kind=nothing ;;
      *) printf '%s\n' "$_said" >&2; return 1 ;;
    esac
  fi
}
text() {
  kind "$2" || { printf 'part %s 1 0\n\n' "$1"; return 1; }
  if [ "$kind" = file ]; then part "$1" cat "$2"; else printf 'is %s %s\n' "$1" "$kind"; fi
}
file() {
  kind "$2" || { printf 'part %s 1 0\n\n' "$1"; return 1; }
  [ "$kind" = file ] || { printf 'is %s %s\n' "$1" "$kind"; return 0; }
  _n=$(wc -c <"$2") && _n=${_n##* } || _n=
  case $_n in "" | *[!0-9]*) printf 'part %s 1 0\n\n' "$1"; return 1 ;; esac
  [ -z "$3" ] || [ "$_n" -le "$3" ] || _n=$3
  printf 'file %s %s\n' "$1" "$_n"
  if [ "$_n" -eq 0 ] || head -c "$_n" <"$2"; then printf '\nwhole\n'; else printf '\ntorn\n'; return 1; fi
}
"""

# What a session of its own runs around the script, whose standard error becomes a part too.
_BEFORE = "_mark=$1\nshift\n" + PRELUDE + "script() {\n"
_AFTER = """
}
exec 3>&1
_said=$(script "$@" 2>&1 >&3 3>&-)
_r=$?
say errors "$_said"
printf 'end %s %s\\n' "$_r" "$_mark"
"""
_HEADER = re.compile(rb"(part|file|is|end|on)(?: ([!-~]{1,200}))?(?: ([!-~]{1,200}))?(?: ([0-9]{1,12}))?\n")
_MOST_PARTS = 1000


class Incomplete(Exception):
    """The answer is not complete. The message is a part of a sentence, without untrusted text."""


@dataclass(frozen=True)
class Part:
    """What a command printed, or what lies at a path; of a file, `data` may hold only the first bytes."""

    kind: str = "text"
    data: bytes = b""
    status: int = 0

    @property
    def there(self) -> bool:
        return self.kind != "nothing"


@dataclass(frozen=True)
class Answer:
    """A complete answer: its parts by name, and the exit status of the script. Everything in it is untrusted text."""

    parts: Mapping[str, Part]
    status: int = 0

    def __getitem__(self, name: str) -> Part:
        """Return a part. Raises Incomplete when the script did not print it."""
        try:
            return self.parts[name]
        except KeyError:
            raise Incomplete(f"it has no {name}") from None

    def text(self, name: str) -> str:
        """Return the text of a part, cleaned; "" without such a part."""
        return clean(self.parts[name].data) if name in self.parts else ""

    @property
    def errors(self) -> str:
        return self.text("errors")

    @property
    def failed(self) -> str:
        """Return which parts failed and how; "" when none did."""
        parts = [f"{name}, exit {part.status}" for name, part in self.parts.items() if part.status]
        return "; ".join(parts) or (f"exit {self.status}" if self.status else "")


async def ask(
    master: Master,
    script: str,
    *arguments: str,
    doing: str,
    seconds: float,
    stdin: bytes = b"",
    most: int = process.MOST_OUTPUT,
) -> Answer:
    """Run a framed script on the master's host with `arguments` as "$@", in a session of its own.

    `doing` is the purpose in words, for messages. Raises Failure when the connection or a part of the script fails, or
    the answer is not complete, comes too late (`seconds`) or is too long (`most` bytes).
    """
    mark = secrets.token_hex(16)
    framed = _BEFORE + script + _AFTER
    done = await execute(master, framed, mark, *arguments, stdin=stdin, seconds=seconds, most=most)
    stream = asyncio.StreamReader()
    stream.feed_data(done.stdout)
    stream.feed_eof()
    try:
        answer = await read_answer(stream, mark, most=most)
    except Incomplete as error:
        if failure := await explain_exit(master, done.returncode, "", began=True):
            raise failure from None
        raise cut_off(master.party, doing, str(error), clean(done.stderr)) from None
    return whole(master.party, answer, doing)


async def read_answer(
    stream: asyncio.StreamReader, mark: str, *, most: int, going: Callable[[], object] = lambda: None
) -> Answer:
    """Read one answer; calls `going` when the script says that it goes on. Raises Incomplete."""
    parts: dict[str, Part] = {}
    try:
        while True:
            word, *values = _header(await stream.readuntil(b"\n"))
            if word == "end":
                if values[1] != mark:
                    raise Incomplete("its last word is another one")
                return Answer(parts, int(values[0]))
            if word == "on":
                going()
                continue
            name, part = await _part(stream, word, values, mark, most)
            most -= len(part.data)
            parts[name] = part
            if len(parts) > _MOST_PARTS:
                raise Incomplete("it has too many parts")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError):
        raise Incomplete("it was cut off") from None


def _header(line: bytes) -> list[str]:
    found = _HEADER.fullmatch(line)
    if found is None:
        raise ValueError
    return [word.decode("ascii") for word in found.groups() if word is not None]


async def _part(stream: asyncio.StreamReader, word: str, values: list[str], mark: str, most: int) -> tuple[str, Part]:
    name = values[0]
    if word == "is":
        return name, Part(values[1])
    status, length = (int(values[1]), int(values[2])) if word == "part" else (0, int(values[1]))
    if length > most:
        raise Incomplete(f"{name} is too long")
    close = b"\nwhole\n" if word == "file" else b"\n"
    data = await _exactly(stream, length + len(close), mark)
    if not data.endswith(close):
        raise Incomplete(f"{name} was not read to its end")
    return name, Part("file" if word == "file" else "text", data[:length], status)


async def _exactly(stream: asyncio.StreamReader, length: int, mark: str) -> bytes:
    """Read so many bytes. When the script ended before, no more come, though its session goes on."""
    last = re.compile(rb"\nend [0-9]{1,3} " + mark.encode() + rb"\n\Z")
    data = bytearray()
    while len(data) < length:
        more = await stream.read(length - len(data))
        data += more
        if not more or last.search(data, max(0, len(data) - 100)):
            raise Incomplete("it was cut off")
    return bytes(data)


# Runs a framed script, in a session of its own or in one that lasts; as `ask`, without the master.
Ask = Callable[..., Awaitable[Answer]]


class ScriptFailed(Failure):
    """A script failed: `doing` is its purpose, `said` its standard error."""

    def __init__(self, party: str, doing: str, said: str, *, how: str) -> None:
        super().__init__(
            party,
            f"could not {doing}: {how}" + (f": {said}" if said else ""),
            hint="check there for missing or killed programs, limits on processes (TasksMax) and disk errors",
            transient=True,
        )
        self.doing = doing
        self.said = said


def cut_off(party: str, doing: str, how: str, said: str) -> ScriptFailed:
    """Return the failure of a script whose answer is not complete."""
    return ScriptFailed(party, doing, said, how=f"its answer is not complete: {how}")


def whole(party: str, answer: Answer, doing: str) -> Answer:
    """Return the answer when no part of it failed. Raises ScriptFailed."""
    if answer.failed:
        raise ScriptFailed(party, doing, answer.errors, how=f"it failed ({answer.failed})")
    return answer
