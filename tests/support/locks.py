"""Takes borg's own lock, by the code of a real borg."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .place import python_of

# Takes a lock as borg does, until it is ended.
_HOLDING = """
import sys, time
from borg.locking import Lock
from borg.logger import setup_logging
setup_logging()
lock = Lock(sys.argv[1] + "/lock", exclusive=sys.argv[2] == "exclusive", timeout=1).acquire()
print("held", flush=True)
time.sleep(1000)
"""


@contextlib.contextmanager
def holding(
    folder: Path,
    kind: str = "exclusive",
    *,
    version: str = "1.2",
    before: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen]:
    """Hold the lock in a folder as a borg of a version does; `before` are words before its command line.

    At the end it is killed, and leaves its lock.
    """
    argv = [*before, python_of(version), "-c", _HOLDING, str(folder), kind]
    environment = {**os.environ, **(env or {})}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True, env=environment) as borg:
        try:
            assert borg.stdout is not None
            assert borg.stdout.readline() == b"held\n"
            yield borg
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(borg.pid, signal.SIGKILL)
