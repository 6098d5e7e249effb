"""The operator's command after a run, with the report on its stdin. It has a minute, and cannot fail the run."""

from __future__ import annotations

from .. import process
from ..untrusted import clean, last_lines

_SECONDS = 60
_KILLED_AFTER = 5
_OUT_OF_TIME = 124


async def on_finish(
    command: str, report: bytes, *, exit_code: int, seconds: int = _SECONDS, killed_after: int = _KILLED_AFTER
) -> str:
    """Run `command` in a shell; return what went wrong, "" when nothing did.

    Its environment is the scrubbed one of every child, with the run's exit code in BORGPULL_EXIT_CODE. After `seconds`
    it and all that it started are killed.
    """
    # timeout(1) of coreutils kills the whole process group; a shell would leave its pipeline behind.
    argv = ["timeout", f"--kill-after={killed_after}", str(seconds), "/bin/sh", "-c", command]
    env = process.environment(BORGPULL_EXIT_CODE=str(exit_code))
    try:
        done = await process.run(argv, stdin=report, seconds=seconds + 2 * killed_after, env=env)
    except TimeoutError:
        done = process.Completed(_OUT_OF_TIME, b"", b"")
    except OSError as error:
        return f"it could not be started: {error.strerror}"
    if done.returncode == _OUT_OF_TIME:
        return f"it did not end within {seconds} s"
    if done.returncode < 0:
        return f"it was killed by signal {-done.returncode}"
    if done.returncode == 0:
        return ""
    said = last_lines(done.stderr).rpartition("\n")[2]
    return clean(f"exit {done.returncode}" + (f": {said}" if said else ""))
