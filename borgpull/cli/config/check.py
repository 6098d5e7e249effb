"""`borgpull config check`: whether a run would take this config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbum import cli

from ...errors import ConfigError
from ..command import ConfiguredCommand
from ..exits import DONE, WRONG

if TYPE_CHECKING:
    from ...config import Connection


class Check(ConfiguredCommand):
    """See whether a config is right, as a run would, and name all of its problems at once. Nobody is contacted.

    Whether the hosts can be reached, and the keys open them, is for `borgpull doctor` to say.
    """

    PROGNAME = "borgpull config check"
    EXIT_CODES = "Exit codes: 0 the config is right; 2 this machine cannot tell; 4 it is wrong, or the command line is."
    json = cli.Flag(["--json"], help="print the answer as JSON")

    def main(self) -> int:
        """Check; return the exit code."""
        from ... import rundir  # noqa: PLC0415 - `--help` shall answer at once
        from ...ui import checked, console  # noqa: PLC0415

        rundir.harden()
        with rundir.private_directory() as directory:
            try:
                config = self.config(directory)
            except ConfigError as error:
                if not self.json:
                    raise
                console.data(checked.check_json(problems=error.problems))
                return WRONG
        self._tell([target.name for target in config.targets], _shown(config.server))
        return DONE

    def _tell(self, targets: list[str], server: str) -> None:
        from ...ui import checked, console  # noqa: PLC0415

        if self.json:
            console.data(checked.check_json(targets=targets, server=server))
        else:
            console.answer(checked.right_lines(targets, server=server))


def _shown(server: Connection) -> str:
    name, port = server.host.name, server.host.port
    return f"{server.username}@" + (f"[{name}]:{port}" if ":" in name else f"{name}:{port}")


Check.unbind_switches("--cache-dir")
