"""`attack.py NAME ARGV...`: be a malicious borg that was called with the ARGV of an honest `borg create`
or `borg extract`.

To plant one as a target's BorgPath, write a script with `plant`. NAME `list` prints all of them.
"""

import os
import shlex
import sys
from pathlib import Path


def plant(path, name, *, python="/usr/bin/python3"):
    """Write a script that behaves like borg, but for NAME; `python` is that of the borg to abuse."""
    command = shlex.join([str(python), str(Path(__file__).resolve()), name])
    Path(path).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    Path(path).chmod(0o755)


def main(name, argv):
    """Attack; versions, help and whatever else is no `create` is answered by the honest borg."""
    import outputs

    if name in outputs.OUTPUTS:
        return outputs.OUTPUTS[name]() if "create" in argv else honest(argv)
    import moves
    from session import Session

    if name == "list":
        print("\n".join([*moves.MOVES, *outputs.OUTPUTS]))
        return 0
    if "create" not in argv and "extract" not in argv:
        return honest(argv)
    session = Session(argv)
    try:
        return moves.MOVES[name](session)
    finally:
        session.close()


def honest(argv):
    """Be borg."""
    from borg.archiver import main as borg

    sys.argv = ["borg", *argv]
    return borg()


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)
