"""Whether what C holds in memory, keys and passphrases among it, may be written to a disk by the kernel's swap.

Reads /proc and /sys alone, and says so where these do not tell, as in a container that sees its host's swap.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..hostile import clean
from .sheet import Sheet

_BLOCK = Path("/sys/dev/block")


def look_at_swap(sheet: Sheet, swaps: str, *, encrypted: Callable[[str, bool], bool | None] | None = None) -> None:
    """Judge the text of /proc/swaps; `encrypted` tells of a place, and whether it is a device, what is known of it."""
    tell = encrypted or is_encrypted
    places = [_place(line) for line in swaps.splitlines()[1:] if line.strip()]
    told = {place: tell(place, device) for place, device in places}
    plain = [clean(place) for place, known in told.items() if known is False]
    untold = [clean(place) for place, known in told.items() if known is None]
    if plain:
        sheet.warn(
            "swap",
            f"it is not encrypted: keys and passphrases in memory may be written to {', '.join(plain)}",
            "`swapoff -a` here, and take it out of /etc/fstab; or encrypt it (crypttab: /dev/urandom, option swap)",
        )
    elif untold:
        sheet.note("swap", f"whether {', '.join(untold)} is encrypted cannot be told from here")
    else:
        sheet.ok("swap", "encrypted" if told else "none")


def _place(line: str) -> tuple[str, bool]:
    fields = line.split()
    return fields[0].replace("\\040", " "), len(fields) > 1 and fields[1] == "partition"


def is_encrypted(place: str, device: bool) -> bool | None:
    """Tell whether a swap device or file is encrypted, or in memory itself; None when it cannot be told."""
    if place.startswith("/dev/zram"):
        return True
    try:
        seen = Path(place).stat()
    except OSError:
        return None
    number = seen.st_rdev if device else seen.st_dev
    return _block_is_encrypted(_BLOCK / f"{os.major(number)}:{os.minor(number)}")


def _block_is_encrypted(block: Path) -> bool | None:
    # A file system of more than one device (btrfs, zfs) and an overlay have a number that is no block device's.
    if not block.exists() or (block / "loop").exists():
        return None
    mapped = block / "dm" / "uuid"
    if mapped.exists() and mapped.read_text(encoding="ascii", errors="replace").startswith("CRYPT-"):
        return True
    below = [_block_is_encrypted(each) for each in (block / "slaves").glob("*")]
    if None in below:
        return None
    return bool(below) and all(below)
