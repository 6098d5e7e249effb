"""Looks for a path in the archives of a target, the newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..guard import Archive
from ..repository.archives import archives_of, each_item
from ..repository.context import TargetContext
from ..results import Closed, Found, Item
from ..retention import stream_of
from .contents import STYLES

_GLOB = "*?["


def pattern_of(word: str) -> str:
    """Return the pattern of borg's for a path, a glob, the name of a file anywhere, or such a pattern itself."""
    if word.startswith(STYLES):
        return word
    if "/" not in word.rstrip("/"):
        return f"sh:**/{word.rstrip('/')}"
    style = "sh" if any(letter in word for letter in _GLOB) else "pf"
    return f"{style}:{word.strip('/')}"


async def find(
    context: TargetContext, pattern: str, *, last: int, on_found: Callable[[Found], None], on_read: Callable[[], None]
) -> Closed | None:
    """Look for `pattern` in the newest `last` archives of each series, in all with 0; return why the target is closed.

    `on_read` is called after each archive. Raises Failure when one cannot be read.
    """
    archives = await archives_of(context)
    for archive in _newest(archives.archives, last):
        entry = archives.entry(archive)

        async def on_item(item: Item) -> None:
            on_found(Found(target=context.target.name, archive=entry, file=item))  # noqa: B023 - it is read here

        await each_item(context, archive, (pattern,), on_item)
        on_read()
    return archives.closed


def _newest(archives: tuple[Archive, ...], last: int) -> list[Archive]:
    """Return the newest of each series; a stream is one of its own."""
    seen: Counter[str | None] = Counter()
    chosen = []
    for archive in reversed(archives):
        seen[stream_of(archive.name)] += 1
        if not last or seen[stream_of(archive.name)] <= last:
            chosen.append(archive)
    return chosen
