"""Small disks of a backup server, that a test fills. They need root."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_BLOCK = 4096


@contextlib.contextmanager
def in_memory(place: Path, size: str) -> Iterator[None]:
    """Put a small file system of its own at a folder."""
    if os.getuid() != 0:
        pytest.skip("needs root, to mount a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "borgpull-test", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def ext4(place: Path, size: str) -> Iterator[None]:
    """Put an ext4 of blocks of 4 KiB at a folder, none of them kept for root."""
    if os.getuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("needs root and loop devices, to mount a file system")
    with tempfile.TemporaryDirectory(prefix="bpdisk-") as folder:
        image = Path(folder) / "image"
        with image.open("wb") as file:
            os.truncate(file.fileno(), _bytes(size))
        options = ["-q", "-b", str(_BLOCK), "-m", "0", "-O", "^has_journal"]
        subprocess.run(["mkfs.ext4", *options, str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
        place.chmod(0o700)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def _bytes(size: str) -> int:
    return int(size[:-1]) * 1024 ** " KMG".index(size[-1])


def resize(place: Path, size: str) -> None:
    """Give a small file system in memory another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def free(place: Path) -> int:
    """Return how many bytes are free on the file system of a folder."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def fill(place: Path, *, leave: int = 0) -> Path:
    """Leave no more room than this on the file system of a folder; return the file that takes it."""
    filler = place / "filler"
    with filler.open("wb") as file:
        size = 0
        # In ever smaller pieces: the file system wants some blocks for its own lists of blocks.
        while (room := free(place) - leave) >= _BLOCK:
            piece = room // 2 if room > 64 * _BLOCK else _BLOCK
            try:
                os.posix_fallocate(file.fileno(), size, piece)
            except OSError:
                break
            size += piece
    return filler
