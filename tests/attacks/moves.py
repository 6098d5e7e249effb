"""The attacks, each a function of the Session that ends with the exit code T would claim.

Most do the honest backup first, so that an archive of the right name is there and T's report is a true one.
"""

import os
from datetime import datetime, timedelta

from session import Manifest

MOVES = {}


def move(function):
    """Make the function an attack that can be called by its name."""
    MOVES[function.__name__] = function
    return function


def backed_up(attack):
    """Connect, remember what there is, do the honest backup, attack, and end with the backup's exit code."""

    def whole(session):
        """See the attack."""
        session.connect()
        code = session.create()
        attack(session)
        return code

    whole.__name__ = attack.__name__
    return move(whole)


@backed_up
def delete_archive(session):
    """Delete the oldest archive, chunks and all."""
    session.quietly("delete", f"::{session.names()[0]}")


@backed_up
def delete_chunks(session):
    """Delete all chunks that were there, and leave the list of archives alone."""
    for id_ in session.old_ids:
        session.repository.delete(id_)
    session.repository.commit(compact=False)


@backed_up
def overwrite_all_chunks(session):
    """Put garbage in the place of all chunks that were there."""
    for id_ in session.old_ids:
        session.repository.put(id_, b"\x03" + os.urandom(80))
    session.repository.commit(compact=False)


@backed_up
def overwrite_one_chunk(session):
    """Put garbage in the place of one chunk."""
    session.repository.put(session.old_ids[0], b"\x03" + os.urandom(80))
    session.repository.commit(compact=False)


@backed_up
def replace_key(session):
    """Give the repository key another passphrase."""
    session.quietly("key", "change-passphrase")


@backed_up
def drop_archives(session):
    """Take all older archives off the list."""
    session.load()
    for name in session.names():
        del session.manifest.archives[name]
    session.write_manifest()


@backed_up
def add_dated_archives(session):
    """Add archives of the years to come, for which a prune would give up the real ones."""
    manifest = session.load()
    for day in range(1, 6):
        manifest.archives[f"daily-{day}"] = (manifest.archives[session.new].id, datetime(2030, 1, day, 12))
    session.write_manifest()


@backed_up
def point_name_elsewhere(session):
    """Let the name of the oldest archive mean the newest one, with the time it had."""
    archives = session.load().archives
    oldest = archives[session.names()[0]]
    archives[oldest.name] = (archives[session.new].id, oldest.ts)
    session.write_manifest()


@backed_up
def change_time(session):
    """Move the oldest archive back by ten years; its id stays."""
    archives = session.load().archives
    oldest = archives[session.names()[0]]
    archives[oldest.name] = (oldest.id, oldest.ts - timedelta(days=3650))
    session.write_manifest()


@backed_up
def replace_archive(session):
    """Replace the oldest archive by one of the same name and time that holds something else."""
    oldest = session.load().archives[session.names()[0]]
    session.quietly("delete", f"::{oldest.name}")
    when = oldest.ts.strftime("%Y-%m-%dT%H:%M:%S")
    session.quietly("create", "--timestamp", when, f"::{oldest.name}", "/etc/hostname")
    archives = session.load().archives
    archives[oldest.name] = (archives[oldest.name].id, oldest.ts)
    session.write_manifest()


@backed_up
def second_archive(session):
    """Make another archive in the same session."""
    session.quietly("create", f"::{session.new}-too", "/etc/hostname")


@backed_up
def lower_nonce(session):
    """Begin the counter of the encryption anew."""
    session.repository.commit_nonce_reservation(0, session.repository.get_free_nonce())


@backed_up
def hide_deletion(session):
    """Delete a chunk, and give the list of archives the timestamp that it had before the session."""
    session.repository.delete(session.old_ids[0])
    session.load()
    session.write_manifest(timestamp=session.old_timestamp)


@move
def break_lock(session):
    """Break the lock of whoever works on the repository, take none, and delete an archive after the backup."""
    session.connect(lock=False).break_lock()
    code = session.create()
    session.quietly("delete", f"::{session.names()[0]}")
    return code


@move
def backdate(session):
    """Date the new archive years back."""
    session.connect()
    return session.create("--timestamp", "2001-02-03T04:05:06")


@move
def claim_success(session):
    """Do nothing and report success."""
    session.claim()
    return 0


@move
def claim_after_breaking_lock(session):
    """Break the lock, write nothing, and report success."""
    session.connect(lock=False).break_lock()
    session.claim()
    return 0


@move
def delete_beside_manifest(session):
    """Delete the object that was written just before the manifest, to its segment, and leave the manifest alone."""
    repository = session.connect()
    order = repository.scan(limit=1_000_000)
    repository.delete(order[order.index(Manifest.MANIFEST_ID) - 1])
    repository.commit(compact=False)
    session.claim()
    return 0
