"""A state of a world that many tests begin with: kept once, and put back before each of them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .place import World

# What borg and a run leave in the folder of a host, of C, and of the lab's own borg.
_BORGS = (".cache", ".config", "onlooker")


class Kept:
    """A world, and a copy of what there is on its hosts; files that hosts are run with are not in it."""

    def __init__(self, world: World, name: str = "put by") -> None:
        self.world = world
        self._copies = world.lab.directory / name
        self._copies.mkdir()
        for number, place in enumerate(self._places()):
            if place.exists():
                _copy(place, self._copies / str(number))

    def put_back(self) -> World:
        """Bring everything back into the state that was kept; return the world."""
        for number, place in enumerate(self._places()):
            shutil.rmtree(place, ignore_errors=True)
            if (self._copies / str(number)).exists():
                _copy(self._copies / str(number), place)
        return self.world

    def _places(self) -> Iterator[Path]:
        lab = self.world.lab
        yield from (lab.root, self.world.cache, *(target.source for target in lab.targets))
        for folder in (lab.directory, lab.server.directory, *(target.host.directory for target in lab.targets)):
            yield from (folder / name for name in _BORGS)


def _copy(place: Path, to: Path) -> None:
    # With owners, times and hard links: a ledger tells of those.
    subprocess.run(["cp", "-a", "-T", str(place), str(to)], check=True)
