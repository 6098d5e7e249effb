"""The operator's command after a run, with the report on its stdin. It has a minute, and fails nothing."""

from __future__ import annotations

from .. import process
from ..untrusted import clean, last_lines

_SECONDS = 60
_KILLED_AFTER = 5
_OUT_OF_TIME = 124


async def on_finish(
    command: str, report: bytes, *, exit_code: int, seconds: int = _SECONDS, killed_after: int = _KILLED_AFTER
) -> str:
    """Run `command` in a shell; return what went wrong, empty when nothing did.

    It gets the run's exit code as BORGPULL_EXIT_CODE and else the scrubbed environment of every child. After `seconds`
    it ends, with all that it started.
    """
    # timeout(1) of coreutils ends the whole process group; a shell alone would leave its pipeline behind.
    argv = ["timeout", f"--kill-after={killed_after}", str(seconds), "/bin/sh", "-c", command]
    env = process.environment(BORGPULL_EXIT_CODE=str(exit_code))
    try:
        done = await process.run(argv, stdin=report, seconds=seconds + 2 * killed_after, env=env)
    except TimeoutError:
        return f"it was not done within {seconds} s"
    except OSError as error:
        return f"it could not be started: {error.strerror}"
    if done.returncode == _OUT_OF_TIME:
        return f"it was not done within {seconds} s"
    if done.returncode < 0:
        return f"it was killed by signal {-done.returncode}"
    if done.returncode > 0:
        said = last_lines(done.stderr).rpartition("\n")[2]
        return clean(f"it ended with {done.returncode}" + (f": {said}" if said else ""))
    return ""
