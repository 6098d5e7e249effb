"""`borgpull completion SHELL`: the script by which a shell completes command lines of borgpull."""

from __future__ import annotations

from importlib import resources

from ..errors import UsageError
from .command import Command
from .completing import SHELLS, answer
from .exits import DONE


class Completion(Command):
    """Print the script by which SHELL (bash, zsh or fish) completes commands, options, and names of targets.

    Names are found where the line names a plain config with --config; nothing is ever decrypted for them. The scripts
    ask `borgpull completion words -- LINE...`, so they need not be made again for another version.
    """

    PROGNAME = "borgpull completion"

    def main(self, shell: str, *words: str) -> int:
        """Print; return the exit code."""
        if shell == "words":
            self._complete(words)
        elif shell in SHELLS and not words:
            _print(resources.files(__package__).joinpath("scripts", f"completion.{shell}").read_text(encoding="utf-8"))
        else:
            raise UsageError(f"`{self.PROGNAME}` knows bash, zsh and fish", hint=self.see)
        return DONE

    @staticmethod
    def _complete(words: tuple[str, ...]) -> None:
        from .app import BorgPull  # noqa: PLC0415 - it names this command
        from .page import page_of  # noqa: PLC0415

        _print("\n".join(answer(page_of(BorgPull), words).lines()) + "\n")


def _print(text: str) -> None:
    from ..ui import console  # noqa: PLC0415

    console.data(text)
