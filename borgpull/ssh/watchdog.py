"""How a session on another host knows that the controller lives: by beats, lines on its standard input.

By itself sshd notices a cut link after two hours (TCP keepalive) or never, and a name or a state of its process proves
nothing (Tailscale SSH, hidepid, pid namespaces).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from ..errors import CONTROLLER, Failure
from ..process import Child

BEAT_SECONDS = 15.0
# After so long a silence a session ends what it has started.
SILENCE_SECONDS = 60

# `began PID` sets `began` to the start of a living process by its kernel's count, empty when there is none, or no
# /proc: a pid alone may come round again. And `group` to its process group.
BEGAN = r"""
began() {
  began= group=
  { read -r _stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  set -- ${_stat##*) }
  group=$3
  case $1 in Z | X) ;; *) began=${20} ;; esac
}
"""

# `beats | { until_silent; END; } &` runs END when descriptor 3 ends, or no line comes on it for too long; $! is the pid
# of what waits. A session does not end for as long as somebody has an output of it open: `beats` has none.
# `while_for SECONDS COMMAND...` waits for so long, while the command succeeds; it fails when that lasts.
WATCHDOG = rf"""{BEGAN}
beats() {{
  own
  exec 2>/dev/null
  {{ while IFS= read -r _line; do echo beat; done; echo end; }} <&3 3<&- 5<&- &
  exec 3<&- 5<&-
  echo "$!"
  while sleep 5 && echo tick; do :; done
}}
until_silent() {{
  exec 3<&-
  _still=0 _reader=
  while [ "$_still" -lt {SILENCE_SECONDS} ] && read -r _word; do
    case $_word in beat) _still=0 ;; tick) _still=$((_still + 5)) ;; end) return ;; *) _reader=$_word ;; esac
  done
  kill "$_reader"
}}
while_for() {{
  _n=$1
  shift
  while "$@"; do
    [ "$_n" -gt 0 ] || return
    sleep 1
    _n=$((_n - 1))
  done
}}
"""


class StoodStill(Failure):
    """The controller itself was suspended, for so long that the hosts gave it up."""


@contextlib.asynccontextmanager
async def beating(child: Child) -> AsyncIterator[None]:
    """Show a session that the controller lives, for as long as the context lasts.

    Raises StoodStill once this process goes on after it was suspended for too long, whatever else failed with it.
    """
    last = _now()

    def late() -> float:
        return _now() - last - BEAT_SECONDS

    async def beat(limit: asyncio.Timeout) -> None:
        nonlocal last
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if late() > SILENCE_SECONDS:
                limit.reschedule(asyncio.get_running_loop().time())
                return
            last = _now()
            # One write: it never falls into the middle of another one.
            await child.write(b"beat\n")

    try:
        async with asyncio.timeout(None) as limit:
            task = asyncio.create_task(beat(limit))
            try:
                yield
            finally:
                task.cancel()
    except Exception as error:
        if (seconds := late()) <= SILENCE_SECONDS:
            raise
        cause = f"it stood still for {seconds:.0f} s, so the hosts ended what this run did there and freed its lock"
        hint = "keep it awake during a run (sleep, a paused VM); another run may have had the lock since"
        raise StoodStill(CONTROLLER, cause, hint=hint, transient=True) from error


def _now() -> float:
    # It goes on while this machine sleeps, and no clock that is set moves it.
    return time.clock_gettime(time.CLOCK_BOOTTIME)
