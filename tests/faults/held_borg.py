"""`held_borg.py FOLDER ARGV...`: an honest borg that stops at one point of its work, for as long as FOLDER says so.

Runs in the Python of the borg that it is, and knows nothing of borgpull. The point is in the middle of what the command
does to the repository, whose name and the command are the name of the file in FOLDER that holds it up.
"""

import functools
import os
import sys
import time
from pathlib import Path

PAUSE_SECONDS = 0.01


def hold(gate):
    """Stop here for as long as the file `gate` is there, and leave word that it came so far."""
    if gate.exists():
        gate.with_name(f"{gate.name}.reached").touch()
    while gate.exists():
        time.sleep(PAUSE_SECONDS)


def repository_of(argv):
    """Return the name of the repository, for a client and for a serve."""
    if "--restrict-to-repository" in argv:
        return Path(argv[argv.index("--restrict-to-repository") + 1]).name
    return os.environ["BORG_REPO"].rpartition("/")[2]


def before(function, gate, *, calls=1):
    """Return `function`, held up before it is called the `calls`th time."""
    count = 0

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        nonlocal count
        count += 1
        if count == calls:
            hold(gate)
        return function(*args, **kwargs)

    return wrapped


def after(function, gate):
    """Return `function`, held up after its first call."""
    done = []

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        value = function(*args, **kwargs)
        if not done:
            done.append(True)
            hold(gate)
        return value

    return wrapped


def place(command, gates):
    """Put the hold where it belongs for this command: `gates` returns the file of a command."""
    from borg.remote import RemoteRepository as Remote

    match command:
        case "create":  # some chunks are on their way, the serve has begun a transaction
            Remote.put = before(Remote.put, gates("create"), calls=3)
        case "list":  # the repository is open and its list of archives read
            Remote.get = after(Remote.get, gates("list"))
        case "init":  # a new repository is without its key, without its first object, without a commit, and made
            Remote.save_key = before(Remote.save_key, gates("init-key"))
            Remote.put = before(Remote.put, gates("init-put"))
            Remote.commit = before(Remote.commit, gates("init-commit"))
            Remote.close = before(Remote.close, gates("init-close"))
        case "check":  # the serve has checked the segments, the archives come next
            Remote.check = after(Remote.check, gates("check"))
        case "delete":  # the first chunk is deleted, nothing is committed
            Remote.delete = after(Remote.delete, gates("prune"))
        case "serve":
            place_in_compaction(gates("compact"))


def place_in_compaction(gate):
    """Hold a serve when it has copied and committed what is of use, and has not yet removed an old segment."""
    from borg.repository import LoggedIO, Repository

    compact = Repository.compact_segments

    def wrapped(*args, **kwargs):
        LoggedIO.delete_segment = before(LoggedIO.delete_segment, gate)
        return compact(*args, **kwargs)

    Repository.compact_segments = wrapped


def main(folder, argv):
    from borg.archiver import main as borg

    # On C options that all commands know come first; without a command it is asked for its version.
    if command := next((word for word in argv if not word.startswith("-")), ""):
        name = repository_of(argv)
        place(command, lambda command: Path(folder, f"{name}.{command}"))
    sys.argv = ["borg", *argv]
    return borg()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
