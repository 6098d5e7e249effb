"""What reading hostile bytes may cost, and what may be said of them."""

import contextlib
import signal
import tracemalloc
import unicodedata
from collections.abc import Iterator

from hypothesis import settings

from borgpull.untrusted import LONGEST

MEGABYTE = 1024 * 1024
# Of the largest input that C takes, what is read in a time that grows with its length needs less than a second.
CPU_SECONDS = 20.0
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@contextlib.contextmanager
def in_linear_time() -> Iterator[None]:
    """End what would take minutes or hours, because its steps grow faster than its input, as a failure."""

    def stop(*_: object) -> None:
        raise AssertionError(f"more than {CPU_SECONDS} s of CPU time: its steps grow faster than its input")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def within_memory(most: float) -> Iterator[None]:
    """See that Python never holds more than `most` bytes above what it holds now."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / MEGABYTE:.1f} MiB"


def fewer(share: int) -> settings:
    """Return settings with a part of the profile's examples, for those that take long."""
    return settings(max_examples=max(3, settings().max_examples // share))


def is_shown_safely(text: str, *, longest: int = LONGEST) -> bool:
    """Tell whether `text` can be put on a screen: short, and no letter in it moves a cursor."""
    return len(text) <= longest and not any(unicodedata.category(letter) in HARMFUL for letter in text)
