"""A set of object ids in little memory: 43 to 86 bytes each, where Python's own set of them takes 120 and more."""

from __future__ import annotations

from collections.abc import Iterable

LENGTH = 32
# The id of the manifest, which is never put in here: it marks an empty place.
MANIFEST = bytes(LENGTH)
_FEWEST_PLACES = 64


class Ids:
    """Ids of 32 bytes; there is room for `expected` of them at first.

    Their places follow from Python's keyed hash, which T cannot know.
    """

    def __init__(self, expected: int = 0) -> None:
        self._count = 0
        self._clear(expected)

    def _clear(self, expected: int) -> None:
        self._places = max(_FEWEST_PLACES, expected * 4 // 3 + 1)
        self._table = bytearray(self._places * LENGTH)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, id_: bytes) -> bool:
        return id_ != MANIFEST and self._held(self._find(id_)) == id_

    def update(self, ids: Iterable[bytes]) -> None:
        """Take in more ids."""
        for id_ in ids:
            if (self._count + 1) * 4 > self._places * 3:
                self._grow()
            place = self._find(id_)
            if self._held(place) != id_:
                self._table[place * LENGTH : (place + 1) * LENGTH] = id_
                self._count += 1

    def _held(self, place: int) -> bytes:
        return bytes(self._table[place * LENGTH : (place + 1) * LENGTH])

    def _find(self, id_: bytes) -> int:
        """Return the place where the id is, or would be."""
        place = hash(id_) % self._places
        while self._held(place) not in (id_, MANIFEST):
            place = (place + 1) % self._places
        return place

    def _grow(self) -> None:
        old = self._table
        self._count = 0
        self._clear(self._places * 3 // 2)
        held = (bytes(old[start : start + LENGTH]) for start in range(0, len(old), LENGTH))
        self.update(id_ for id_ in held if id_ != MANIFEST)
