"""The operator's command after a run, with the report on its stdin. It has a minute, and cannot fail the run."""

from __future__ import annotations

from .. import process


async def on_finish(command: str, report: bytes, *, exit_code: int, seconds: int = 60, killed_after: int = 5) -> str:
    """Run `command` in a shell; return what went wrong, "" when nothing did.

    Its environment is the scrubbed one of every child, with the run's exit code in BORGPULL_EXIT_CODE. After `seconds`
    it and all that it started are killed.
    """
    env = process.environment(BORGPULL_EXIT_CODE=str(exit_code))
    _, problem = await process.run_shell(command, stdin=report, seconds=seconds, killed_after=killed_after, env=env)
    return problem
