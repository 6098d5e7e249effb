"""A drill: some files of the newest verified archive, picked by a seed, are read back and decrypted on the controller.

It proves that the passphrase, the key, the backup server's disk and borg together give files back: borg authenticates
each chunk by its id. It is a sample: `borg check --verify-data` reads everything. `borg list` reads them, for it names
each file that it has read; `borg extract --dry-run` finds the same (1.2.4, 1.4.5: a chunk that is missing, another one,
garbage), but ends with 1 for paths that it did find (1.2.4), or says nothing of those that it did not.
"""

from __future__ import annotations

import hashlib
import heapq

from ..borg import command_lines as borg_command
from ..repository.archives import archives_of, each_item
from ..repository.context import TargetContext
from ..results import Compared, Drilled, Item
from ..untrusted import clean
from .contents import UNSURE, is_inside

# So many files are kept at hand for each one to be picked: the size limit passes some over.
_SPARE = 4
# Borg gets the paths as arguments, of which the kernel takes 2 MiB.
_MOST_NAMED = 1024 * 1024


async def drill(context: TargetContext, *, seed: int, size: int, files: int) -> Drilled:
    """Pick at most `files` files of at most `size` bytes together, and read them back. The caller holds the run lock.

    Raises Failure when they cannot be read.
    """
    archives = await archives_of(context)
    archive = archives.newest()
    sample = Sample(seed=seed, size=size, files=files)
    await each_item(context, archive, (), sample.add)
    picked = sample.picked()
    if not picked:
        raise context.failure(
            f"none of the files of its archive ({sample.files}) fits into the limit",
            hint="allow more with --size",
        )
    unread = dict.fromkeys(item.path for item in picked)

    async def read(item: Item) -> None:
        unread.pop(item.path, None)

    await each_item(context, archive, tuple(borg_command.exactly(unread)), read, hashes=True)
    return Drilled(
        target=context.target.name,
        archive=archives.entry(archive),
        picked=len(picked),
        picked_size=sum(item.size for item in picked),
        files=sample.files,
        size=sample.size,
        broken=sample.broken,
        compared=Compared(
            same=len(picked) - len(unread),
            different=len(unread),
            differences=tuple(f"{clean(path)}: it was not read" for path in unread),
        ),
        closed=archives.closed,
    )


class Sample:
    """The files of an archive, and those of them that a seed picks: the same ones, in whatever order they come."""

    def __init__(self, *, seed: int, size: int, files: int) -> None:
        self.files = 0
        self.size = 0
        self.broken = 0
        self._seed = seed
        self._most_size = size
        self._most_files = files
        self._candidates: list[tuple[int, str, int, Item]] = []

    async def add(self, item: Item) -> None:
        """Count an item, and remember it if the seed may pick it. Of an empty file nothing would be read."""
        if item.kind != "-":
            return
        self.files += 1
        self.size += item.size
        self.broken += not item.healthy
        if not 0 < item.size <= self._most_size or UNSURE in item.path or not is_inside(item.path):
            return
        word = f"{self._seed} {item.path}".encode("utf-8", "surrogatepass")
        rank = int.from_bytes(hashlib.blake2b(word, digest_size=8).digest())
        heapq.heappush(self._candidates, (-rank, item.path, self.files, item))
        if len(self._candidates) > _SPARE * self._most_files:
            heapq.heappop(self._candidates)

    def picked(self) -> list[Item]:
        chosen: list[Item] = []
        size = named = 0
        for _, path, _, item in sorted(self._candidates, reverse=True):
            fits = size + item.size <= self._most_size and named + len(path) * 4 <= _MOST_NAMED
            if fits and len(chosen) < self._most_files:
                chosen.append(item)
                size += item.size
                named += len(path) * 4
        return chosen
