"""`more_moves.py NAME ARGV...`: the attacks that need a hand from outside, or more than one process on T.

A move that waits says so in the folder MARKS with a file `open`, and goes on when there is a file `go`.
"""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 60.0


def plant_more(path, name, *, python="/usr/bin/python3"):
    """Write a script that behaves like borg, but for NAME; return the folder of its marks."""
    marks = Path(f"{path}.marks")
    marks.mkdir(exist_ok=True)
    command = shlex.join([str(python), str(Path(__file__).resolve()), name])
    Path(path).write_text(f'#!/bin/sh\nMARKS={shlex.quote(str(marks))} exec {command} "$@"\n')
    Path(path).chmod(0o755)
    return marks


def mark(name, text=""):
    """Leave a file for the test to find, whole at once."""
    place = Path(os.environ["MARKS"], name)
    place.with_suffix(".new").write_text(text)
    place.with_suffix(".new").rename(place)


def wait_for(name):
    """Wait for the test to leave a file."""
    deadline = time.monotonic() + SECONDS
    while not Path(os.environ["MARKS"], name).exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def another_borg(*argv):
    """Run another borg process over the same socket; return its exit code and what it said."""
    honest = "import sys; from borg.archiver import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", honest, "--lock-wait", "1", *argv], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def wait_in_session(session):
    """Open the session, let the test act on B, then do the honest backup."""
    session.connect()
    mark("open")
    wait_for("go")
    return session.create()


def claim_unconnected(session):
    """Never connect, and report success."""
    session.claim()
    return 0


def late_write(session):
    """Do the honest backup and end; a process left behind deletes an archive over the connection it keeps."""
    session.connect()
    code = session.create()
    if os.fork() == 0:
        _leave_the_session()
        time.sleep(3)  # C has long seen the end of borg
        session.quietly("delete", f"::{session.names()[0]}")
        session.close()
        os._exit(0)
    sys.stdout.flush()
    os._exit(code)


def lingering(session):
    """Do the honest backup and end; a process left behind keeps the connection until C gives up, then writes."""
    session.connect()
    code = session.create()
    if os.fork() == 0:
        _leave_the_session()
        time.sleep(75)  # C has given up after a minute
        try:
            session.quietly("delete", f"::{session.names()[0]}")
            session.close()
        finally:
            os._exit(0)
    sys.stdout.flush()
    os._exit(code)


def _leave_the_session():
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def second_client(session):
    """Do the honest backup; during it and after it another borg tries to delete an archive over T's socket."""
    session.connect()
    oldest = session.names()[0]
    during, said = another_borg("delete", f"::{oldest}")
    code = session.create()
    session.close()
    after, said_after = another_borg("delete", f"::{oldest}")
    mark("tried", f"{during} {after}\n{said}\n{said_after}")
    return code


def client_before(session):
    """Let another borg delete an archive over T's socket, before the honest backup finds the socket used."""
    another_borg("delete", "--first", "1")
    session.connect()
    return session.create()


MOVES = {f.__name__: f for f in (wait_in_session, claim_unconnected, late_write, lingering, second_client)}
MOVES["client_before"] = client_before


def main(name, argv):
    """Attack; what is no `create` is answered by the honest borg."""
    from attack import honest
    from session import Session

    if "create" not in argv:
        return honest(argv)
    session = Session(argv)
    try:
        return MOVES[name](session)
    finally:
        session.close()


if __name__ == "__main__":
    status = main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)
