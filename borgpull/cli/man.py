"""`borgpull man`: the man page."""

from __future__ import annotations

from .. import __version__
from .command import Command
from .exits import DONE


class Man(Command):
    """Print the man page, with every command and option.

    `borgpull man | man -l -` shows it. For `man borgpull` to find it:
    `borgpull man > /usr/local/share/man/man1/borgpull.1`.
    """

    PROGNAME = "borgpull man"

    def main(self) -> int:
        """Print; return the exit code."""
        from ..ui import console  # noqa: PLC0415 - `--help` shall answer at once
        from .app import BorgPull  # noqa: PLC0415 - it names this command
        from .manual import roff  # noqa: PLC0415
        from .page import page_of  # noqa: PLC0415

        console.data(roff(page_of(BorgPull), version=__version__))
        return DONE
