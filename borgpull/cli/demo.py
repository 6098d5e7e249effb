"""`borgpull demo`: a real backup of two throw-away targets to a throw-away server, on this machine."""

from __future__ import annotations

from .command import Command


class Demo(Command):
    """Back up two throw-away targets to a throw-away backup server, all on this machine.

    Everything is real: sshd on free ports, new keys, borg, socat. Everything is removed at the end.
    """

    PROGNAME = "borgpull demo"

    def main(self) -> int:
        """Run the demo; return its exit code."""
        from .demonstration import show  # noqa: PLC0415 - `borgpull --help` reads this module, and shall answer at once

        return show()
