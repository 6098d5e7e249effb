"""`make demo`: two real backups of two throw-away targets to a throw-away backup server, all on this machine.

It runs borgpull as an operator does, in a process of its own. It must leave nothing behind, and say nothing
that it did not just see.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from borgpull import process
from borgpull.errors import Failure
from borgpull.format import size
from borgpull.ui.console import message_lines, people, problem_lines
from lab import Lab, Target, lab_running, missing_tools
from lab.trees import differences, plant

_DEMO = "demo"
_FILES = 300
_FILE_BYTES = 30_000
_WARNINGS_ONLY, _FAILED = 1, 2
# borgpull tidies up on B and on both targets when it is interrupted
_SECONDS_TO_TIDY_UP = 30.0


def main() -> int:
    """Run the demo; return the exit code of the worse of both runs."""
    try:
        _refuse_without_tools()
        with _signals_unwind(), lab_running() as lab:
            code = _show(lab)
    except Failure as failure:
        message_lines(problem_lines(failure.problem))
        return _FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    _say(f"\nRemoved {lab.directory}, and all that ran in it.")
    return code


def _refuse_without_tools() -> None:
    missing = missing_tools()
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise Failure(_DEMO, f"missing {', '.join(missing)}", hint=f"sudo apt-get install {packages}")


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    # the default action of these would leave the lab's folder behind
    def unwind(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    people().print(text)


def _show(lab: Lab) -> int:
    _introduce(lab)
    _say("\nFirst run: borgpull < config.toml")
    first = _run(lab)
    if first > _WARNINGS_ONLY:
        return first
    held = _bytes_below(lab.root)
    _say("\nSecond run: nothing has changed on the targets")
    second = _run(lab)
    if second > _WARNINGS_ONLY:
        return second
    added = _bytes_below(lab.root) - held
    _say(f"\nThe backup server holds {size(held)} after the first run. The second added {size(added)}.")
    for target in lab.targets:
        _verify(lab, target)
    return max(first, second)


def _introduce(lab: Lab) -> None:
    _say("A backup server and two targets on this machine, real in all but their length of life:\n")
    _say(f"  backup server  {lab.server.endpoint}")
    for target in lab.targets:
        plant(target.source, files=_FILES, size=_FILE_BYTES)
        files, held = _files_below(target.source), _bytes_below(target.source)
        _say(f"  {target.name:13}  {target.host.endpoint}  {files} files, {size(held)}")


def _run(lab: Lab) -> int:
    return asyncio.run(_borgpull(lab.config_text(), cache=lab.directory / "cache"))


async def _borgpull(config: str, *, cache: Path) -> int:
    async with process.started(
        [sys.executable, "-m", "borgpull"],
        stdin=subprocess.PIPE,
        stdout=1,
        stderr=2,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stop_signals=((signal.SIGINT, _SECONDS_TO_TIDY_UP),),
    ) as child:
        await child.write(config.encode())
        child.close_stdin()
        return await child.wait()


def _verify(lab: Lab, target: Target) -> None:
    archives = lab.archives(target)
    _say(f"\n{target.name}: {len(archives)} archives")
    for archive in archives:
        _say(f"  {archive}")
    folder = lab.directory / f"{target.name} extracted"
    folder.mkdir()
    found = differences(target.source, lab.extracted(target, archives[-1], folder))
    if found:
        raise Failure(
            _DEMO,
            f"{archives[-1]} of {target.name} is not what was backed up: {'; '.join(found[:3])}",
            hint="please report this as a defect",
        )
    _say(f"  the last one extracted: {_files_below(target.source)} files, every byte as it was")


def _files_below(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _bytes_below(folder: Path) -> int:
    return sum(Path(parent, name).lstat().st_size for parent, _, names in os.walk(folder) for name in names)


if __name__ == "__main__":
    sys.exit(main())
