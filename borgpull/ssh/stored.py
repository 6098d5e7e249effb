"""A script on another host that was stored before it runs, for a session whose standard input another party writes.

A script that such a session read from its standard input could be that party's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from plumbum.commands.base import BaseCommand

from ..errors import Failure
from ..process import Command
from ..untrusted import clean
from .framing import Ask, ask, cut_off
from .master import Master
from .session import script_text

# Waits until the script is stored; returns the command that runs it, once.
Script = Callable[[], Awaitable[BaseCommand]]
_SECONDS = 60.0
_REMOVE_SECONDS = 5.0

# Sets $base to a folder for temporary files whose path needs no quotes, and is short enough for a socket in it: TMPDIR,
# which may be relative, hidden or on many levels, or /tmp. `new_folder NAME` makes one of mode 0700 there, $dir.
TEMPORARY = r"""
base=$(unset CDPATH; cd -- "${TMPDIR:-/tmp}" 2>/dev/null && pwd -P) || base=/tmp
case $base in *[!A-Za-z0-9._/-]* | / | //*) base=/tmp ;; esac
[ "${#base}" -le 70 ] || base=/tmp
new_folder() {
  dir=$base/$1
  mkdir -m 700 "$dir" 2>/dev/null || { dir=/tmp/$1; mkdir -m 700 "$dir"; }
}
"""
# $1 is a name, $2 the script. What a connection left behind that broke before its script ran goes after an hour.
_STORE = (
    TEMPORARY
    + r"""
for old in "$base"/borgpull-????????????????; do
  [ ! -O "$old" ] || [ -z "$(find "$old" -prune -mmin +60)" ] || rm -rf "$old"
done
new_folder "borgpull-$1" || exit
printf %s "$2" >"$dir/script" || { rm -rf "$dir"; exit 1; }
say folder "$dir"
"""
)


# No word of it needs quotes.
_FOLDER = r"(?:/(?!\.{1,2}/)[A-Za-z0-9._-]+)+/borgpull-"


@contextlib.asynccontextmanager
async def stored(master: Master, script: str, *arguments: str, through: Ask | None = None) -> AsyncIterator[Script]:
    """Store a script on the master's host, while the context goes on; `through` a session that lasts there, if any.

    Its folder, of mode 0700, goes when it runs, or with the context. What is yielded raises Failure when the script
    cannot be stored.
    """
    through = through or functools.partial(ask, master)
    text = script_text(f'rm -rf "${{0%/*}}"\n{script}', *arguments)
    storing = asyncio.create_task(_store(through, master.party, text))
    used = False

    async def command() -> BaseCommand:
        nonlocal used
        folder = await storing
        used = True
        return Command("exec")["sh", f"{folder}/script"]

    try:
        yield command
    finally:
        if not used:
            await asyncio.wait({storing}, timeout=_REMOVE_SECONDS)
            storing.cancel()
            with contextlib.suppress(Failure, asyncio.CancelledError):
                await through('rm -rf "$1"', await storing, doing="remove a script", seconds=_REMOVE_SECONDS)


async def _store(through: Ask, party: str, text: bytes) -> str:
    """Return the folder in which the script lies."""
    name, doing = secrets.token_hex(8), "store a script"
    answer = await through(_STORE, name, text.decode("utf-8", "surrogateescape"), doing=doing, seconds=_SECONDS)
    folder = answer.text("folder")
    if not re.fullmatch(_FOLDER + name, folder):
        raise cut_off(party, doing, "it names a folder that our script does not make", clean(folder))
    return folder
