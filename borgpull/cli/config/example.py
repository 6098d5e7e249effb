"""`borgpull config example`: a commented config to begin with."""

from __future__ import annotations

from ..command import Command
from ..exits import DONE


class Example(Command):
    """Print a commented config to begin with, with every key that there is.

    Its keys are no keys and its passphrases are empty: `borgpull config check` refuses it until they are yours.
    """

    PROGNAME = "borgpull config example"

    def main(self) -> int:
        """Print; return the exit code."""
        from ... import config  # noqa: PLC0415 - `--help` shall answer at once
        from ...ui import console  # noqa: PLC0415

        console.data(config.example())
        return DONE
