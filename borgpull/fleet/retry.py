"""When to try again what failed for a reason that may pass by itself, and how long to wait before it.

That is a connection that was refused, lost or not made in time, and a lock. Never what somebody has to mend:
authentication, host keys, passphrases, and who hangs at the other end of a connection that stands; and never a verdict.
"""

from __future__ import annotations

import random

from ..errors import Failure, TamperedError

_FIRST_SECONDS = 5.0
_FACTOR = 3.0
_LONGEST_SECONDS = 300.0


def worth_trying_again(failure: Failure) -> bool:
    """Tell whether the same attempt may succeed later."""
    return failure.transient and not isinstance(failure, TamperedError)


def pause(attempt: int) -> float:
    """Return how many seconds to wait after attempt number `attempt`, 1 for the first: longer each time.

    A random part keeps many targets behind one broken switch from coming back all at once.
    """
    return min(_FIRST_SECONDS * _FACTOR ** (attempt - 1), _LONGEST_SECONDS) * random.uniform(0.7, 1.3)  # noqa: S311
